"""The JSON API under `/api`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service import views
from service.alerts.asked import AlertsApi
from service.answers import error
from service.asking import (
    Unclear,
    body_of,
    caller,
    choice_of,
    id_of,
    limit_of,
    number_cursor,
    refuse_unknown,
    stream_cursor,
    text_of,
)
from service.auth import Gatekeeper
from service.domain.errors import Conflict, KeyReused, NotFound, ReopenerError
from service.domain.reopens import Status, reopen_id
from service.forget_api import ForgetApi
from service.ledger.admission import Admission
from service.ledger.audit import line
from service.ledger.listing import Wanted
from service.ledger.reads import VERDICTS
from service.links_api import LinksApi
from service.logs import get_logger
from service.many import Many
from service.stored import Stored

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.clock import Clock
    from service.intake.spool import SpoolOf
    from service.ledger import Ledger
    from service.settings import Settings

API_SOURCE = "api"
LONGEST_KEY = 200
LONGEST_REASON = 1_000
LONGEST_MESSAGE = 500_000

Handler = Callable[["Request"], Awaitable[Response]]

log = get_logger(__name__)


def routes(
    ledger: Ledger, settings: Settings, clock: Clock, spool: SpoolOf, noted: Callable[[], Awaitable[None]]
) -> list[Route]:
    """Every path of the API. `noted` ends when the notes of deliveries answered before are written. Raises
    ValueError where there is no admin token.
    """
    api = Api(ledger, Gatekeeper(settings, clock), clock, spool, noted)
    many, stored = Many(ledger), Stored(ledger, settings.sources)
    alerts = AlertsApi(ledger, settings.alerts, clock)
    links = LinksApi(ledger, settings.sources)
    guarded: list[tuple[str, str, Handler]] = [
        ("GET", "/api/reopens", api.list),
        ("POST", "/api/reopens", api.start),
        ("POST", "/api/reopens/retry", many.retry),
        ("GET", "/api/bulk", many.list),
        ("GET", "/api/bulk/{id}", many.show),
        ("POST", "/api/bulk/{id}/cancel", many.cancel),
        ("GET", "/api/reopens/{id}", api.show),
        ("GET", "/api/reopens/{id}/exchanges", api.exchanges),
        ("POST", "/api/reopens/{id}/retry", api.retry),
        ("POST", "/api/reopens/{id}/cancel", api.cancel),
        ("POST", "/api/reopens/{id}/resolve", api.resolve),
        ("POST", "/api/reopens/{id}/run-again", api.run_again),
        ("GET", "/api/threads/{thread_id}", api.thread),
        ("GET", "/api/links/{source}/{ticket_id:path}", links.show),
        ("PUT", "/api/links/{source}/{ticket_id:path}", links.put),
        ("DELETE", "/api/links/{source}/{ticket_id:path}", links.delete),
        ("POST", "/api/forget", ForgetApi(ledger, settings).forget),
        ("GET", "/api/deliveries", api.deliveries),
        ("GET", "/api/deliveries/{id}/explain", stored.explain),
        ("POST", "/api/sources/{source}/compare", stored.compare),
        ("GET", "/api/stats", api.stats),
        ("POST", "/api/pause", api.pause),
        ("POST", "/api/resume", api.resume),
        ("GET", "/api/alerts", alerts.show),
        ("POST", "/api/alerts/test", alerts.test),
    ]
    at: dict[str, dict[str, Handler]] = {}
    for method, path, handler in guarded:
        at.setdefault(path, {})[method] = handler
    # One route for each address, so that Allow names all of its methods.
    return [Route(path, api.guarded(_by_method(told)), methods=list(told)) for path, told in at.items()]


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def answer(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return answer


@dataclass(frozen=True, slots=True)
class Api:
    """One method for each call of the contract's table."""

    ledger: Ledger
    gatekeeper: Gatekeeper
    clock: Clock
    spool: SpoolOf
    noted: Callable[[], Awaitable[None]]

    def guarded(self, handler: Handler) -> Handler:
        """The handler behind the bearer token, with every error of ours as an answer."""

        async def answer(request: Request) -> Response:
            role = self.gatekeeper.bearer(request)
            if role is None:
                return error(
                    401,
                    "unauthorized",
                    "Send the admin token: Authorization: Bearer REOPENER_ADMIN_TOKEN.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            if role != "admin" and request.method not in {"GET", "HEAD"}:
                return error(403, "read_only", "The viewer token only reads; changes need the admin token.")
            try:
                return await handler(request)
            except Unclear as unclear:
                return error(unclear.status, unclear.code, unclear.message)
            except ReopenerError as raised:
                return error_of(raised)

        return answer

    async def list(self, request: Request) -> Response:
        query = request.query_params
        refuse_unknown(query, ("status", "source", "q", "cursor", "limit"), "parameter")
        status = choice_of(query, "status", [each.value for each in Status])
        wanted = Wanted(
            status=Status(status) if status else None,
            source=query.get("source") or None,
            prefix=query.get("q") or None,
        )
        cursor = number_cursor(query.get("cursor"))
        records = await self.ledger.listing.page(wanted, cursor=cursor, limit=limit_of(query))
        return JSONResponse(views.page(records))

    async def show(self, request: Request) -> Response:
        record = await self.ledger.reads.reopen(request.path_params["id"])
        if record is None:
            raise NotFound("there is no reopen of that id")
        return JSONResponse(views.reopen(record))

    async def exchanges(self, request: Request) -> Response:
        kept = await self.ledger.bodies.of(request.path_params["id"])
        return JSONResponse({"exchanges": views.exchanges(kept)})

    async def start(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        told = await body_of(request, known=("contact_id", "thread_id", "message", "ticket_id"))
        if not key.strip() or len(key) > LONGEST_KEY:
            raise Unclear(
                f"Send an Idempotency-Key of 1 to {LONGEST_KEY} characters; the same key starts nothing new.",
                code="idempotency_key_missing",
            )
        contact_id, thread_id = id_of(told, "contact_id"), id_of(told, "thread_id")
        message = text_of(told, "message", longest=LONGEST_MESSAGE)
        ticket_id = text_of(told, "ticket_id", longest=LONGEST_KEY, needed=False) or None
        asked = json.dumps([contact_id, thread_id, message, ticket_id])
        new_id = reopen_id(API_SOURCE, key)
        admission = Admission(
            reopen_id=new_id,
            source=API_SOURCE,
            event_id=key,
            delivery_id=uuid4().hex,
            body_hash=hashlib.sha256(asked.encode()).hexdigest(),
            ticket_id=ticket_id,
            contact_id=contact_id,
            thread_id=thread_id,
            text=message,
            audit=line(caller(request), "start", new_id),
        )
        (admitted,) = await self.ledger.admissions.admit([admission])
        if admitted.conflict:
            raise KeyReused("this Idempotency-Key was used with another body: use a new key for a new reopen")
        record = await self.ledger.reads.reopen(admitted.reopen_id)
        if record is None:
            raise NotFound("it was forgotten meanwhile")
        return JSONResponse(views.reopen(record))

    async def retry(self, request: Request) -> Response:
        record = await self.ledger.verbs.retry(request.path_params["id"], by=caller(request))
        return self._changed("retried", JSONResponse(views.reopen(record)), reopen_id=record.id)

    async def cancel(self, request: Request) -> Response:
        record = await self.ledger.verbs.cancel(request.path_params["id"], by=caller(request))
        return self._changed("cancelled", JSONResponse(views.reopen(record)), reopen_id=record.id)

    async def resolve(self, request: Request) -> Response:
        told = await body_of(request, known=("contact_id", "thread_id"))
        ids = id_of(told, "contact_id"), id_of(told, "thread_id")
        record = await self.ledger.verbs.resolve(request.path_params["id"], *ids, by=caller(request))
        return self._changed("resolved", JSONResponse(views.reopen(record)), reopen_id=record.id)

    async def run_again(self, request: Request) -> Response:
        told = await body_of(request, known=("reason", "message"))
        why = text_of(told, "reason", longest=LONGEST_REASON)
        words = text_of(told, "message", longest=LONGEST_MESSAGE, needed=False) or None
        first = request.path_params["id"]
        key = request.headers.get("idempotency-key") or uuid4().hex
        again_id = reopen_id(f"again\0{first}", key)
        record = await self.ledger.verbs.run_again(
            first, why, key=again_id, text=words, by=caller(request, why)
        )
        return self._changed(
            "run_again", JSONResponse(views.reopen(record)), reopen_id=record.id, first=first
        )

    async def thread(self, request: Request) -> Response:
        view = await self.ledger.reads.thread(id_of(request.path_params, "thread_id"))
        if view is None:
            raise NotFound("nothing is known of a thread of that id")
        return JSONResponse(views.thread(view))

    async def deliveries(self, request: Request) -> Response:
        query = request.query_params
        refuse_unknown(query, ("verdict", "source", "cursor", "limit"), "parameter")
        await self.noted()
        records = await self.ledger.reads.deliveries(
            verdict=choice_of(query, "verdict", VERDICTS),
            source=query.get("source") or None,
            cursor=stream_cursor(query.get("cursor")),
            limit=limit_of(query),
        )
        return JSONResponse(views.deliveries(records))

    async def stats(self, _: Request) -> Response:
        now_ms = self.clock.now_ms()
        numbers = await self.ledger.counts.stats(now_ms)
        told = views.stats(numbers, await self.ledger.crews.crew())
        return JSONResponse({**told, "spool": views.spool(self.spool(), now_ms)})

    async def pause(self, request: Request) -> Response:
        await self.ledger.verbs.pause(by=caller(request))
        return self._changed("paused", JSONResponse({"paused": True}))

    async def resume(self, request: Request) -> Response:
        await self.ledger.verbs.resume(by=caller(request))
        return self._changed("resumed", JSONResponse({"paused": False}))

    @staticmethod
    def _changed(what: str, answer: Response, **fields: Any) -> Response:
        log.info("api.changed", what=what, **fields)
        return answer


def error_of(raised: ReopenerError) -> Response:
    """The answer to an error of ours."""
    match raised:
        case NotFound():
            return error(404, raised.slug, f"{raised}.")
        case Conflict():
            return error(409, raised.slug, f"{raised}.")
        case KeyReused():
            return error(422, raised.slug, f"{raised}.")
    return error(503, raised.slug, "Redis is away; try again in a moment.")
