"""One look at the whole account: what the overview, the metrics, the alerts and `reopener top` tell of."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.watch.problems import Problem, problems
from service.watch.silence import HOUR_MS, Silence, silences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.ledger import Ledger
    from service.ledger.counts import Stats
    from service.ledger.crew import Crew
    from service.ledger.series import Series

RATE_MINUTES = 5
LONGEST_QUIET_MS = 2 * HOUR_MS
_DAYS_AGO = (0, 2, 4, 7, 9)
"""Each stands for itself and the day before: the days that silence is judged by."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`minutes` are those of the last hour, `heard_ms` is when each source last had an authentic delivery."""

    now_ms: int
    stats: Stats
    crew: Crew
    minutes: Series
    heard_ms: Mapping[str, int]
    silent: tuple[Silence, ...]

    def problems(self) -> list[Problem]:
        return problems(
            self.stats,
            workers=self.crew.workers,
            series=self.minutes,
            silent=self.silent,
            now_ms=self.now_ms,
        )

    def per_minute(self, *what: str) -> float:
        """How often that happened, over the last whole minutes."""
        latest = self.minutes.slots[-RATE_MINUTES - 1 : -1]
        return sum(slot.total(*what) for slot in latest) / RATE_MINUTES


async def look(ledger: Ledger, now_ms: int) -> Seen:
    """Everything at once; its cost does not grow with what is stored. Raises `LedgerUnavailable`."""
    stats, crew, minutes, heard_ms = await asyncio.gather(
        ledger.counts.stats(now_ms),
        ledger.crews.crew(),
        ledger.series.series("hour", now_ms),
        ledger.series.heard_ms(),
    )
    silent = silences(heard_ms, await _hourly(ledger, heard_ms, now_ms), now_ms)
    return Seen(now_ms, stats, crew, minutes, heard_ms, tuple(silent))


async def _hourly(ledger: Ledger, heard_ms: Mapping[str, int], now_ms: int) -> Mapping[tuple[str, int], int]:
    """Deliveries by the hour of the days that silence is judged by; nothing where nobody is silent."""
    if all(now_ms - heard < LONGEST_QUIET_MS for heard in heard_ms.values()):
        return {}
    found: Counter[tuple[str, int]] = Counter()
    for hourly in await asyncio.gather(*(ledger.series.heard_hourly(days, now_ms) for days in _DAYS_AGO)):
        found.update(hourly)
    return found
