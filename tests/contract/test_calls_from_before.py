"""Calls that began before the breaker changed, and end after it."""

from __future__ import annotations

import asyncio

import pytest

from service.clock import SystemClock
from service.domain.breaker import FAILURES_IN_A_ROW, Breaker
from service.domain.errors import ReadFailed
from service.domain.outcomes import Unknown
from service.domain.ports import Sending
from service.domain.reopens import Reopen, Status
from tests.contract.caring import breaker_state, pause_is_over, redis_ms, shared_care
from workers.careful import Careful
from workers.throttle import Care

HEAD = Reopen("r", "desk", "e", 1, Status.QUEUED, 1, 1)
SENDING = Sending(HEAD, thread_id=1, contact_id=1, session_id=None, case_id=None, token="")


class Slow:
    """An Acquire of which so many calls hang that they could be an outage, and fail when they are told to."""

    def __init__(self):
        self.all_hang = asyncio.Barrier(FAILURES_IN_A_ROW + 1)
        self.fails = asyncio.Event()

    async def read_case(self, case_id):
        await self._hang()
        raise ReadFailed("no whole answer")

    async def send(self, sending, *, may_send):
        await self._hang()
        return Unknown("no whole answer")

    async def _hang(self):
        await self.all_hang.wait()
        await self.fails.wait()


async def _read(careful):
    with pytest.raises(ReadFailed):
        await careful.read_case(1)


async def _send(careful):
    await careful.send(SENDING, may_send=lambda: True)


async def _fail_in_a_row(care, call, meanwhile):
    slow = Slow()
    calls = [asyncio.create_task(call(Careful(slow, care))) for _ in range(FAILURES_IN_A_ROW)]
    await asyncio.wait_for(slow.all_hang.wait(), 10)
    await meanwhile()
    slow.fails.set()
    await asyncio.gather(*calls)
    await care.aclose()


@pytest.mark.parametrize("call", [_read, _send])
async def test_those_left_when_acquire_asks_for_a_pause_are_no_outage(ledger, connection, call):
    """Only slow calls are left to end then, and fail in a row. As many that begin after the pause are one."""
    care = Care(shared_care(ledger), SystemClock())
    now_ms = await redis_ms(connection)

    async def asked_for_a_pause():
        await ledger.leases.stop_account("throttled", now_ms + 1, "wait", probes=False)
        await pause_is_over(connection)
        care.note_time(await redis_ms(connection))

    async def nothing():
        pass

    care.note_time(now_ms - 1_000)
    await _fail_in_a_row(care, call, asked_for_a_pause)
    assert await breaker_state(ledger, connection) == "closed"
    await _fail_in_a_row(care, call, nothing)
    assert await breaker_state(ledger, connection) == "open"


async def test_those_left_from_before_do_not_fail_the_probe(ledger, connection):
    """Whether Acquire is back is told by a call that began when the pause was over."""
    care, shared = Care(shared_care(ledger), SystemClock()), shared_care(ledger)
    before, _, now_ms = await shared.note(0, [])
    assert await shared.change(before, Breaker("acquire_failing", now_ms + 60_000, True, 1), "no")
    await pause_is_over(connection)
    care.failed("no whole answer", now_ms - 1_000)
    await care.aclose()
    assert await breaker_state(ledger, connection) == "half_open"
    care.failed("no whole answer", await redis_ms(connection))
    await care.aclose()
    assert await breaker_state(ledger, connection) == "open"
