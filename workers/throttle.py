"""Care for Acquire: a rate limit over all workers of the account, in Redis.

A bucket that refills at `rate_per_second` and holds as many. Who asks reserves a place in time and waits for
it, so nobody polls, and places are given in the order of asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from service.domain.ports import Acquire, Gate, Sending
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.domain.cases import Case, CasePage, Messages, ThreadRead
    from service.domain.outcomes import Outcome
    from service.domain.reopens import Call

RATE_KEY = "reopener:rate"

# KEYS[1]  when the bucket is full again, in unix microseconds
# ARGV[1]  microseconds in which one call's worth flows in
# ARGV[2]  how many calls
# ARGV[3]  how many calls the bucket holds
# Returns how many microseconds the caller has to wait.
RESERVE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local each, calls, holds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + each * calls
local wait = math.max(0, full_at - now - each * holds)
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1000)
return string.format('%.0f', wait)
"""


class RateLimit(Gate):
    """The account's rate limit. 0 is no limit."""

    def __init__(
        self,
        connection: Redis,
        rate_per_second: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate_per_second
        self._reserve = connection.register_script(RESERVE)
        self._sleep = sleep

    async def admit(self) -> int | None:
        """Wait for the place of the call that a head may send; its reads ask for their own."""
        await self.take(1)
        return None

    async def take(self, calls: int) -> None:
        """Wait until so many calls may be made. Raises `LedgerUnavailable` where Redis is away."""
        if not self._rate:
            return
        holds = max(1, round(self._rate))
        told = await ask(self._reserve(keys=[RATE_KEY], args=[round(1_000_000 / self._rate), calls, holds]))
        if int(told):
            await self._sleep(int(told) / 1_000_000)


class Throttled(Acquire):
    """Acquire with every read behind the rate limit. What is sent was admitted before it was intended."""

    def __init__(self, acquire: Acquire, limit: RateLimit) -> None:
        self._acquire = acquire
        self._limit = limit

    async def read_thread(self, thread_id: int) -> ThreadRead:
        await self._limit.take(2)
        return await self._acquire.read_thread(thread_id)

    async def read_page(self, thread_id: int, page: int) -> CasePage:
        await self._limit.take(1)
        return await self._acquire.read_page(thread_id, page)

    async def read_case(self, case_id: int) -> Case | None:
        await self._limit.take(1)
        return await self._acquire.read_case(case_id)

    async def read_contact_cases(self, contact_id: int) -> tuple[Case, ...]:
        await self._limit.take(1)
        return await self._acquire.read_contact_cases(contact_id)

    async def find_contacts(self, email: str) -> tuple[int, ...]:
        await self._limit.take(1)
        return await self._acquire.find_contacts(email)

    async def read_messages(self, thread_id: int, contact_id: int) -> Messages:
        await self._limit.take(1)
        return await self._acquire.read_messages(thread_id, contact_id)

    async def send(self, sending: Sending, *, may_send: Callable[[], bool]) -> Outcome:
        return await self._acquire.send(sending, may_send=may_send)

    def calls(self) -> tuple[Call, ...]:
        return self._acquire.calls()
