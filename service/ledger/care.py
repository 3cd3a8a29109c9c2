"""Care for Acquire that all workers of the account share: breaker, rate limit, and retry budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.domain.breaker import WINDOW_SECONDS, Breaker, Calls
from service.domain.ports import Full, Given, Spent
from service.ledger.scripts import packed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.domain.ports import Place, Wanted
    from service.ledger.scripts import Scripts
    from service.queue import Lane

LEAST_FLOW = 2.0
"""Calls a second that retries may make where there is no rate limit and nothing else is done."""
BUDGET_SECONDS = 5.0
"""So long a saved-up retry budget lasts at its own flow."""


AHEAD_SECONDS = 0.25
"""No place is given so far ahead that it would be in the way of what comes meanwhile."""
CALLS_LEFT = 3
"""What has waited leaves a new reply's look and call in the bucket."""


class Care:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, *, rate_per_second: float, retry_share: float) -> None:
        self._scripts = scripts
        self.rate = rate_per_second
        self._share = retry_share
        self.flow = max(LEAST_FLOW, retry_share * rate_per_second)
        self.most = BUDGET_SECONDS * self.flow

    def wanted(self, calls: int, lane: Lane) -> Wanted:
        """A place for so many calls, as `places.lua` is asked for it; what is of the backlog gets one only
        where it is in nobody's way.
        """
        each_us = round(1_000_000 / self.rate) if self.rate else 0
        ahead_us, left = (round(AHEAD_SECONDS * 1_000_000), 0) if lane == "live" else (0, CALLS_LEFT)
        return (each_us, calls, max(1, round(self.rate)), self.flow, self.most, ahead_us, left)

    async def reserve(self, calls: int, *, is_retry: bool = False, lane: Lane = "live") -> Place:
        asked = packed(self.wanted(calls, lane))
        return place_from(await self._scripts.run("reserve", "1" if is_retry else "0", asked))

    async def note(self, answered: int, failed: Sequence[int]) -> tuple[Breaker, Calls, int]:
        """Note how calls ended: how many were answered, and of those that failed when they began, by Redis'
        clock. Returns the breaker, how the latest calls did, and Redis' time.
        """
        saved = 0.0 if self.rate else self._share * answered
        row = await self._scripts.run("calls", answered, WINDOW_SECONDS, str(saved), str(self.most), *failed)
        now_ms, counted, in_a_row, lately_answered, lately_failed = (int(each) for each in row[:5])
        calls = Calls(answered, counted, in_a_row, lately_answered, lately_failed)
        return breaker_from(_pairs(row[5])), calls, now_ms

    async def change(self, before: Breaker, to: Breaker, detail: str) -> bool:
        """Compare and set: False where somebody else changed it meanwhile."""
        told = (to.why, to.until_ms, "1" if to.probes else "0", to.opened, detail, str(to.pace), "")
        row = await self._scripts.run("stop", str(before.changed_ms), *told)
        return bool(row[0])

    async def change_pace(self, before: Breaker, pace: float) -> bool:
        """The same for the pace alone."""
        was = (before.changed_ms, before.paced_ms, str(before.pace))
        return bool(await self._scripts.run("pace", *was, str(pace)))


def place_from(row: Sequence[str]) -> Place:
    match row[0]:
        case "given":
            return Given(int(row[1]) / 1_000_000)
        case "full":
            return Full(int(row[1]) / 1_000_000)
        case _:
            return Spent(int(row[1]))


def breaker_from(fields: Mapping[str, str]) -> Breaker:
    return Breaker(
        why=fields.get("why", ""),
        until_ms=int(fields.get("until_ms") or 0),
        probes=fields.get("probes") == "1",
        opened=int(fields.get("opened") or 0),
        changed_ms=int(fields.get("changed_ms") or 0),
        pace=float(fields.get("pace") or 0),
        paced_ms=int(fields.get("paced_ms") or 0),
    )


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
