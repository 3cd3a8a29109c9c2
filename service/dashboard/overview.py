"""The overview: is it working, and what is stuck? Problems first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from service import views
from service.dashboard.charts import chart
from service.dashboard.door import by
from service.dashboard.rendering import render
from service.ledger.listing import Wanted
from service.ledger.series import BAD, GOOD, IN, RESOLUTION, Series, Span
from service.watch import look
from service.watch.spooled import of_spool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.intake.spool import SpoolOf
    from service.ledger import Ledger
    from service.ledger.counts import Stats
    from service.settings import Settings

LATEST = 8
GROUPS = 8
PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class OverviewPages:
    ledger: Ledger
    settings: Settings
    clock: Clock
    spool: SpoolOf

    async def show(self, request: Request) -> Response:
        now_ms = self.clock.now_ms()
        span = _span(request.query_params.get("span", ""))
        seen, latest, groups = await asyncio.gather(
            look(self.ledger, now_ms),
            self.ledger.listing.page(Wanted(), limit=LATEST),
            self.ledger.failures.largest(GROUPS),
        )
        numbers = seen.stats
        shown = seen.minutes if span == "hour" else await self.ledger.series.series(span, now_ms)
        return render(
            request,
            "overview.html",
            title="Overview",
            stats=views.stats(numbers, seen.crew),
            law=_law(numbers),
            problems=[*of_spool(self.spool(), now_ms), *seen.problems()],
            groups=groups,
            chart=chart(shown),
            spans=tuple(RESOLUTION),
            speed=_speed(shown),
            rates={"in": seen.per_minute(*IN), "out": seen.per_minute(*GOOD)},
            sources=self._sources(numbers, shown, seen.heard_ms),
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


def _speed(shown: Series) -> dict[str, Any]:
    """How long customers waited, and which share of what ended, ended well."""
    good, bad = shown.total(*GOOD), shown.total("dead")
    return {
        "success": good / (good + bad) if good + bad else None,
        "waited": [(name, shown.waited_ms(share)) for name, share in PERCENTILES],
    }


def _waiting(by_status: Mapping[str, int]) -> int:
    return sum(by_status.get(status, 0) for status in ("queued", "running", "retrying", "checking"))
