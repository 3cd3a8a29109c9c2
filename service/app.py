"""The composition root of the receiver, the API and the dashboard: an app assembled from data."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from redis import Redis as SyncRedis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from service import api, dashboard, metrics, probes
from service.alerts.watcher import Watcher
from service.answers import error
from service.clock import SystemClock
from service.connections import async_client
from service.dashboard.rendering import render
from service.domain.errors import LedgerUnavailable
from service.embedded import FolderBusy
from service.faults import Faults
from service.intake.commit import GroupCommit
from service.intake.detour import Detour
from service.intake.front import Front
from service.intake.spool import FILE_NAME, Spool, SpoolState, SpoolUnusable
from service.intake.watch import Watch
from service.kept import keep_in, keep_nothing
from service.ledger import Ledger, open_ledger
from service.ledger.cases import news_of
from service.logs import get_logger
from service.notes import Notes
from service.policy import policy, wait
from service.queue import Bells
from service.receiver import Receiver
from service.settings import Settings, load

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from service.clock import Clock
    from service.domain.events import Event

HTTP_ERRORS = {
    404: ("not_found", "There is nothing at this address; /openapi.json lists the API's."),
    405: ("method_not_allowed", "This address does not take that method; the header Allow tells which."),
}

MOST_WAITING_REQUESTS = 200
"""Each may hold 64 kB."""

log = get_logger(__name__)


class _Beside(Protocol):
    """What runs beside the answering of requests."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


def create() -> ASGIApp:
    """The app of this process' environment. Raises `SettingsError` with all faults together."""
    return create_app(load(os.environ, role="serve", cwd=Path.cwd()), SystemClock())


def create_app(settings: Settings, clock: Clock) -> ASGIApp:
    """The app for these settings. It starts, and answers, also while Redis is away."""
    if settings.redis_url is None:
        raise ValueError("the receiver needs a REDIS_URL")
    connection = async_client(settings.redis_url.reveal(), for_answers=True)
    ledger = open_ledger(connection, Bells(SyncRedis()), clock, policy=policy(settings), wait=wait(settings))
    notes = Notes(ledger.account.note)
    ttl_ms = settings.retention.raw_hours * 3_600_000
    kept = Notes(partial(ledger.requests.keep, ttl_ms=ttl_ms), most=MOST_WAITING_REQUESTS) if ttl_ms else None
    detour = _detour(settings, ledger, clock)
    spool = partial(_state_of, detour)
    receiver_metrics = metrics.ReceiverMetrics()
    receiver_metrics.registry.register(metrics.SpoolMetrics(spool, clock))
    cases = Notes(ledger.cases.note)

    def hear(event: Event) -> None:
        news = news_of(event)
        if news is not None:
            cases.add(news)

    receiver = Receiver(
        settings.sources,
        GroupCommit(ledger.admissions, clock, detour).admit,
        notes,
        clock,
        receiver_metrics,
        keep_in(kept) if kept else keep_nothing,
        hear,
    )

    watcher = Watcher(ledger, settings.alerts, clock, spool=spool)
    watch = Watch(ledger.admissions.watch, ledger.deeds.watch)
    beside: list[_Beside] = [each for each in (detour, notes, kept, cases, watcher, watch) if each]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for each in beside:
            each.start()
        try:
            await ledger.account.note_durability()
        except (LedgerUnavailable, RedisError) as away:  # the second is a refusal, of our user for one
            log.warning("redis.away_at_start", error=str(away))
        yield
        for each in beside:
            await each.stop()
        await connection.aclose()

    app = Starlette(
        routes=[
            *api.routes(ledger, settings, clock, spool, notes.written),
            *probes.routes(ledger.scripts, spool),
            *metrics.routes(ledger, receiver_metrics, clock, tuple(settings.sources)),
            *dashboard.routes(ledger, settings, clock, spool),
        ],
        middleware=[Middleware(Faults)],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # helpdesks count an answer that leads elsewhere as a failure
    return Front(app, receiver)


def _detour(settings: Settings, ledger: Ledger, clock: Clock) -> Detour | None:
    """Raises `SpoolUnusable`, or `FolderBusy` where another receiver has the spool."""
    folder = settings.data_dir / "spool"
    if not settings.spool_mb:
        spool = _left_behind(folder)
    else:
        spool = Spool(folder, limit_bytes=settings.spool_mb * 1024 * 1024)
    return Detour(spool, ledger.admissions, clock) if spool else None


def _left_behind(folder: Path) -> Spool | None:
    """What waits in a spool that is off by now was answered 200: it is admitted, and no more is taken."""
    if not os.access(folder / FILE_NAME, os.F_OK):
        return None
    try:
        spool = Spool(folder, limit_bytes=0)
    except (SpoolUnusable, FolderBusy) as error:
        log.error("spool.left_behind", error=str(error))  # noqa: TRY400 - the words say it all
        return None
    if spool.state.deliveries:
        return spool
    spool.close()
    return None


def _state_of(detour: Detour | None) -> SpoolState | None:
    return detour.state if detour else None


async def _http_error(request: Request, raised: Exception) -> Response:
    if not isinstance(raised, HTTPException):
        raise raised
    if raised.status_code == 404 and _is_by_a_person(request):
        words = "There is no page at this address."
        return render(request, "message.html", status=404, title="Not found", message=words)
    code, message = HTTP_ERRORS.get(raised.status_code, ("http_error", raised.detail))
    return error(raised.status_code, code, message, headers=raised.headers)


def _is_by_a_person(request: Request) -> bool:
    asked_for_a_page = "text/html" in request.headers.get("accept", "")
    return asked_for_a_page and not request.url.path.startswith(("/api", "/webhooks"))
