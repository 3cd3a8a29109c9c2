"""Which page is at which address, and who may see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from service.auth import Gatekeeper
from service.dashboard.door import Door
from service.dashboard.forgetting import ForgettingPage
from service.dashboard.live import Live
from service.dashboard.looking import LookingPages
from service.dashboard.overview import OverviewPages
from service.dashboard.reopen import ReopenPages
from service.dashboard.reopens import ReopensPages
from service.dashboard.setup import SetupPages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.intake.spool import SpoolOf
    from service.ledger import Ledger
    from service.settings import Settings

    Handler = Callable[[Request], Awaitable[Response]]

STATIC = Path(__file__).parent / "static"


def routes(ledger: Ledger, settings: Settings, clock: Clock, spool: SpoolOf) -> list[BaseRoute]:
    """All pages. Raises ValueError where there is no admin token."""
    door = Door(Gatekeeper(settings, clock), spool)
    overview = OverviewPages(ledger, settings, clock, spool)
    many = ReopensPages(ledger, clock)
    one = ReopenPages(ledger, settings)
    looking = LookingPages(ledger, settings.sources)
    setup = SetupPages(ledger, settings, clock)
    live = Live(ledger, clock)
    shown: list[tuple[str, Handler]] = [
        ("/", overview.show),
        ("/reopens", many.show),
        ("/reopens/export.csv", many.export_csv),
        ("/reopens/export.jsonl", many.export_jsonl),
        ("/reopens/{id}", one.show),
        ("/why", looking.why),
        ("/deliveries", looking.deliveries),
        ("/deliveries/{id}", looking.delivery),
        ("/threads", looking.threads),
        ("/threads/{thread_id:int}", looking.thread),
        ("/setup", setup.show),
        ("/audit", looking.audit),
        ("/live", live.listen),
    ]
    changes: list[tuple[str, Handler]] = [
        ("/reopens/choose", many.choose),
        ("/reopens/act", many.act),
        ("/reopens/stop", many.stop),
        ("/reopens/{id}/retry", one.retry),
        ("/reopens/{id}/cancel", one.cancel),
        ("/reopens/{id}/resolve", one.resolve),
        ("/reopens/{id}/run-again", one.run_again),
        ("/pause", overview.pause),
        ("/resume", overview.resume),
        ("/alerts/test", setup.test_alerts),
        ("/forget", ForgettingPage(ledger, settings).forget),
        ("/setup/{source}/test", setup.test),
    ]
    return [
        *(Route(path, door.for_viewing(handler), methods=["GET"]) for path, handler in shown),
        *(Route(path, door.for_changing(handler), methods=["POST"]) for path, handler in changes),
        Route("/login", door.ask, methods=["GET"]),
        Route("/login", door.let_in, methods=["POST"]),
        Route("/logout", door.for_changing(door.let_out, needs_admin=False), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
