"""How much may be called now: rate limit, pace after a pause, retry budget, as `reserve.lua` has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.care import Care

P = "reopener:"


@dataclass(frozen=True, slots=True)
class Flow:
    """`rate_per_second`, and the `pace_per_second` at which calls come back after a pause, are 0 where there
    is no such limit; `wait_seconds` is for a place under both.
    """

    rate_per_second: float
    pace_per_second: float
    wait_seconds: float
    retry_budget_calls: float
    retry_budget_most_calls: float


class Flows:
    """Raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, care: Care) -> None:
        self._redis = connection
        self._care = care

    async def flow(self) -> Flow:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.get(f"{P}rate")
        pipe.hmget(f"{P}budget", ["calls", "us"])
        pipe.hget(f"{P}breaker", "pace")
        (seconds, microseconds), full_at, (calls, us), pace = await ask(pipe.execute())
        care, now_us = self._care, seconds * 1_000_000 + microseconds
        saved = float(calls) if calls else care.most
        since_seconds = max(0.0, (now_us - int(us)) / 1_000_000) if us else 0.0
        ahead_seconds = (int(full_at) - now_us) / 1_000_000 if full_at else 0.0
        slowest = min((each for each in (care.rate, float(pace or 0)) if each), default=0.0)
        burst_seconds = max(1, round(slowest)) / slowest if slowest else 0.0
        return Flow(
            rate_per_second=care.rate,
            pace_per_second=float(pace or 0),
            wait_seconds=max(0.0, ahead_seconds - burst_seconds),
            retry_budget_calls=min(care.most, saved + care.flow * since_seconds),
            retry_budget_most_calls=care.most,
        )
