"""The overview: is it working, and what is stuck? Problems first."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from service import views
from service.dashboard.charts import BAD, GOOD, IN, chart
from service.dashboard.door import by
from service.dashboard.problems import problems
from service.dashboard.rendering import render
from service.dashboard.silence import silences
from service.ledger.listing import Wanted
from service.ledger.series import RESOLUTION, Series, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger
    from service.ledger.counts import Stats
    from service.settings import Settings

LATEST = 8
GROUPS = 8
RATE_MINUTES = 5
PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class OverviewPages:
    ledger: Ledger
    settings: Settings
    clock: Clock

    async def show(self, request: Request) -> Response:
        now_ms = self.clock.now_ms()
        span = _span(request.query_params.get("span", ""))
        numbers, workers, minutes, latest, groups, heard_ms = await asyncio.gather(
            self.ledger.counts.stats(now_ms),
            self.ledger.counts.workers(),
            self.ledger.series.series("hour", now_ms),
            self.ledger.listing.page(Wanted(), limit=LATEST),
            self.ledger.failures.largest(GROUPS),
            self.ledger.series.heard_ms(),
        )
        shown = minutes if span == "hour" else await self.ledger.series.series(span, now_ms)
        silent = silences(heard_ms, await self._hourly(heard_ms, now_ms), now_ms)
        return render(
            request,
            "overview.html",
            title="Overview",
            stats=views.stats(numbers, workers=workers),
            law=_law(numbers),
            problems=problems(numbers, workers=workers, series=minutes, silent=silent, now_ms=now_ms),
            groups=groups,
            chart=chart(shown),
            spans=tuple(RESOLUTION),
            speed=_speed(shown),
            rates=_rates(minutes),
            sources=self._sources(numbers, shown, heard_ms),
            settings=self.settings,
            read_lag_ms=numbers.account.read_lag_ms,
            reopens=views.page(latest)["reopens"],
        )

    async def pause(self, request: Request) -> Response:
        await self.ledger.account.pause(by(request))
        return RedirectResponse("/", status_code=303)

    async def resume(self, request: Request) -> Response:
        await self.ledger.account.resume(by(request))
        return RedirectResponse("/", status_code=303)

    async def _hourly(self, heard_ms: Mapping[str, int], now_ms: int) -> Mapping[tuple[str, int], int]:
        """Deliveries by the hour of the days that silence is judged by; nothing where nobody is silent."""
        if all(now_ms - heard < 2 * 3_600_000 for heard in heard_ms.values()):
            return {}
        found: Counter[tuple[str, int]] = Counter()
        for days_ago in (0, 2, 4, 7, 9):
            found.update(await self.ledger.series.heard_hourly(days_ago, now_ms))
        return found

    def _sources(self, numbers: Stats, shown: Series, heard_ms: Mapping[str, int]) -> list[dict[str, Any]]:
        """A row for each source, also for one that never said anything."""
        counts = shown.by_source()
        names = sorted({*self.settings.sources, *numbers.by_source, *heard_ms})
        return [
            {
                "name": name,
                "heard_ms": heard_ms.get(name),
                "came": sum(counts[name][what] for what in IN) if name in counts else 0,
                "ignored": counts[name]["in:ignored"] if name in counts else 0,
                "rejected": counts[name]["in:rejected"] if name in counts else 0,
                "good": sum(counts[name][what] for what in GOOD) if name in counts else 0,
                "bad": sum(counts[name][what] for what in BAD) if name in counts else 0,
                "waiting": _waiting(numbers.by_source.get(name, {})),
            }
            for name in names
        ]


def _span(told: str) -> Span:
    return next((span for span in RESOLUTION if span == told), "hour")


def _law(numbers: Stats) -> list[tuple[str, int]]:
    """The right side of the conservation law, in the order of the contract."""
    names = ("reopened", "appended", "skipped", "dead", "cancelled", "held")
    return [*((name, numbers.by_status[name]) for name in names), ("waiting", numbers.waiting)]


def _rates(minutes: Series) -> dict[str, float]:
    """Per minute, over the last whole minutes."""
    latest = minutes.slots[-RATE_MINUTES - 1 : -1]
    came = sum(slot.total(*IN) for slot in latest)
    went = sum(slot.total(*GOOD) for slot in latest)
    return {"in": came / RATE_MINUTES, "out": went / RATE_MINUTES}


def _speed(shown: Series) -> dict[str, Any]:
    """How long customers waited, and which share of what ended, ended well."""
    good, bad = shown.total(*GOOD), shown.total("dead")
    return {
        "success": good / (good + bad) if good + bad else None,
        "waited": [(name, shown.waited_ms(share)) for name, share in PERCENTILES],
    }


def _waiting(by_status: Mapping[str, int]) -> int:
    return sum(by_status.get(status, 0) for status in ("queued", "running", "retrying", "checking"))
