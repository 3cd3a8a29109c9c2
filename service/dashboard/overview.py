"""The overview: is it working, and what is stuck? Problems first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from service import views
from service.dashboard.charts import chart
from service.dashboard.door import by
from service.dashboard.rendering import render
from service.ledger.listing import Wanted
from service.ledger.series import GOOD, IN, RESOLUTION, Span
from service.watch import look
from service.watch.numbers import law, source_rows, speed
from service.watch.spooled import of_spool

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.intake.spool import SpoolOf
    from service.ledger import Ledger
    from service.settings import Settings

LATEST = 8
GROUPS = 8


@dataclass(frozen=True, slots=True)
class OverviewPages:
    ledger: Ledger
    settings: Settings
    clock: Clock
    spool: SpoolOf

    async def show(self, request: Request) -> Response:
        now_ms = self.clock.now_ms()
        span = _span(request.query_params.get("span", ""))
        seen, flow, latest, groups = await asyncio.gather(
            look(self.ledger, now_ms),
            self.ledger.flows.flow(),
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
            law=law(numbers),
            problems=[*of_spool(self.spool(), now_ms), *seen.problems()],
            groups=groups,
            chart=chart(shown),
            spans=tuple(RESOLUTION),
            speed=speed(shown),
            rates={"in": seen.per_minute(*IN), "out": seen.per_minute(*GOOD)},
            sources=source_rows(self.settings.sources, numbers, shown, seen.heard_ms),
            flow=flow,
            read_lag_ms=numbers.account.read_lag_ms,
            reopens=views.page(latest)["reopens"],
        )

    async def pause(self, request: Request) -> Response:
        await self.ledger.verbs.pause(by=by(request))
        return RedirectResponse("/", status_code=303)

    async def resume(self, request: Request) -> Response:
        await self.ledger.verbs.resume(by=by(request))
        return RedirectResponse("/", status_code=303)


def _span(told: str) -> Span:
    return next((span for span in RESOLUTION if span == told), "hour")
