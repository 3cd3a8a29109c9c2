"""A webhook's way in: bounded raw read, verify, parse, decide, admit, answer. No rules of its own.

Checked in this order, so that an unsigned request learns nothing of the body's fate: source and method
(404, 405), size (413), content type (415), authenticity (401), content (400).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from service.answers import error
from service.domain.decide import CASE_STATUS, Accept, Hold, Ignore, decide
from service.domain.errors import LedgerUnavailable
from service.domain.reopens import reopen_id
from service.kept import keep_nothing
from service.ledger.admission import Admission
from service.ledger.reads import Delivery
from service.logs import get_logger
from service.sources import KINDS
from service.sources.base import Malformed, Rejected, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from service.clock import Clock
    from service.domain.events import Event
    from service.kept import Keep
    from service.ledger.admission import Admissions, Admitted
    from service.metrics import ReceiverMetrics
    from service.notes import Notes
    from service.settings import SourceSettings

LARGEST_BODY_BYTES = 1024 * 1024
ADMIT_SECONDS = 1.5
"""An answer must come within 2 s also while Redis hangs."""
RETRY_AFTER_SECONDS = 5

log = get_logger(__name__)


class Refused(Exception):
    """A delivery that gets one of the contract's error answers."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes deliveries of all configured sources."""

    sources: Mapping[str, SourceSettings]
    admissions: Admissions
    notes: Notes[Delivery]
    clock: Clock
    metrics: ReceiverMetrics
    keep: Keep = keep_nothing
    hear: Callable[[Event], None] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app, so that every method comes here and is judged."""
        answer = await self.receive(HttpRequest(scope, receive))
        await answer(scope, receive, send)

    async def receive(self, http: HttpRequest) -> Response:
        """For any bytes and headers, one of the answers that the contract lists for `/webhooks/{source}`."""
        started = self.clock.monotonic()
        name = http.path_params["source"]
        source = self.sources.get(name)
        delivery_id = uuid4().hex
        mend: str | None = None
        try:
            answer, verdict, reason = await self._take(http, source, delivery_id)
        except Refused as refused:
            verdict, reason, mend = "rejected", refused.code, refused.message
            if source is not None:
                self._note(name, delivery_id, "rejected", refused.code, refused.message)
            allow = {"Allow": "GET, HEAD, POST"} if refused.status == 405 else None
            answer = error(refused.status, refused.code, refused.message, headers=allow)
        except LedgerUnavailable as away:
            verdict, reason = "unavailable", away.slug
            answer = error(
                503,
                away.slug,
                "It is not known to be stored. Send it again: it counts once.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        seconds = self.clock.monotonic() - started
        self.metrics.answered(name if source else "unknown", verdict, reason, seconds)
        log.info(
            "delivery.answered",
            source=name if source else None,
            delivery_id=delivery_id,
            verdict=verdict,
            reason=reason or None,
            mend=mend,
            status=answer.status_code,
            ms=round(seconds * 1000, 1),
        )
        return answer

    async def _take(
        self, http: HttpRequest, source: SourceSettings | None, delivery_id: str
    ) -> tuple[Response, str, str]:
        if source is None:
            raise Refused(404, "no_such_source", "There is no source at this address.")
        if http.method in {"HEAD", "GET"}:
            return Response(), "probe", ""
        if http.method != "POST":
            raise Refused(405, "method_not_allowed", "Webhooks are sent with POST.")
        kind = KINDS[source.kind]
        request = await _read(http)
        _check_content_type(request, kind.content_types)
        if kind.probes_with_empty_body and request.body.strip() in {b"", b"[]"}:
            return _ignored("set_up_ping"), "ignored", "set_up_ping"
        try:
            kind.verify(request, source, self.clock.now())
            challenge = kind.challenge(request, source)
            if challenge is not None:
                return JSONResponse(challenge), "probe", ""
            self.keep(request, source, delivery_id, self.clock.now_ms())
            events = kind.read(request, source)
        except Rejected as rejected:
            raise Refused(401, rejected.slug, rejected.hint) from None
        except Malformed as malformed:
            raise Refused(400, malformed.slug, malformed.message) from None
        is_batch = kind.batches and request.body.lstrip().startswith(b"[")
        hashes = [_hash(repr(event).encode() if is_batch else request.body) for event in events]
        results = await self._admit(source, events, hashes, delivery_id)
        if is_batch:
            return JSONResponse({"status": "batch", "results": results}), "batch", ""
        if len(results) != 1:
            raise Refused(400, "not_one_event", "The body must hold one event.")
        return JSONResponse(results[0]), results[0]["status"], results[0].get("reason", "")

    async def _admit(
        self, source: SourceSettings, events: list[Event], hashes: list[str], delivery_id: str
    ) -> list[dict[str, Any]]:
        """Store what is to be stored, as a whole; the answer for each event, in order.

        `hashes` tell bodies of one event apart; in a batch that is the event's own part of it.
        """
        decisions = [(event, decide(event, KINDS[source.kind].rules(source))) for event in events]
        admissions = [
            _admission(source, event, decision, hashes[place], f"{delivery_id}.{place}", self.clock.now_ms())
            for place, (event, decision) in enumerate(decisions)
            if not isinstance(decision, Ignore)
        ]
        admitted = iter(await self._store(admissions) if admissions else [])
        results = []
        for event, decision in decisions:
            if isinstance(decision, Ignore):
                if decision.reason == CASE_STATUS:
                    self.hear(event)
                self._note(
                    source.name, delivery_id, "ignored", decision.reason, decision.sentence, about=event
                )
                results.append({"status": "ignored", "reason": decision.reason})
            else:
                results.append(_answer(next(admitted)))
        return results

    async def _store(self, admissions: list[Admission]) -> list[Admitted]:
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                return await self.admissions.admit(admissions)
        except TimeoutError:
            raise LedgerUnavailable(f"Redis did not confirm within {ADMIT_SECONDS} s") from None

    def _note(
        self,
        source: str,
        delivery_id: str,
        verdict: str,
        reason: str,
        detail: str,
        *,
        about: Event | None = None,
    ) -> None:
        self.notes.add(
            Delivery(
                id=delivery_id,
                source=source,
                event_id=(about.event_id or None) if about else None,
                received_ms=self.clock.now_ms(),
                verdict=verdict,
                reason=reason,
                reopen_id=None,
                detail=detail,
                ticket_id=about.ticket_id if about else None,
            )
        )


async def _read(http: HttpRequest) -> Request:
    """The request with its raw body, read no further than the bound."""
    told = http.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > LARGEST_BODY_BYTES:
        raise _too_large()
    chunks, size = [], 0
    try:
        async for chunk in http.stream():
            size += len(chunk)
            if size > LARGEST_BODY_BYTES:
                raise _too_large()
            chunks.append(chunk)
    except ClientDisconnect:
        raise Refused(400, "body_incomplete", "The connection ended before the body did.") from None
    return Request(
        method=http.method,
        url=str(http.url),
        headers=dict(http.headers.items()),
        body=b"".join(chunks),
        query=dict(http.query_params),
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _too_large() -> Refused:
    return Refused(413, "body_too_large", f"A body may hold {LARGEST_BODY_BYTES} bytes.")


def _check_content_type(request: Request, accepted: frozenset[str]) -> None:
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told and told not in accepted:
        raise Refused(415, "content_type", f"This source sends {' or '.join(sorted(accepted))}.")
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Refused(415, "content_encoding", "Bodies must come uncompressed, as they were signed.")


def _admission(
    source: SourceSettings,
    event: Event,
    decision: Accept | Hold,
    body_hash: str,
    delivery_id: str,
    now_ms: int,
) -> Admission:
    """What is to be remembered of an event (rule 1)."""
    event_id, weak_seconds = event.event_id, event.weak_id_window_seconds or 0
    if not event_id:
        event_id, weak_seconds = body_hash, KINDS[source.kind].retry_window_seconds
    occurrence = f"{event_id}\0{now_ms}" if weak_seconds else event_id
    contact_id: int | None = None
    thread_id: int | None = None
    held_for: str | None = None
    detail: str | None = None
    email: str | None = None
    if isinstance(decision, Hold):
        held_for, detail = decision.reason, decision.detail
    else:
        contact_id, thread_id = decision.contact_id, decision.thread_id
        if contact_id is None or thread_id is None:
            if source.lookup == "email" and event.customer_email:
                email = event.customer_email
            else:
                held_for = "thread_unknown" if contact_id is not None else "contact_unknown"
    return Admission(
        reopen_id=reopen_id(source.name, occurrence),
        source=source.name,
        event_id=event.event_id or event_id,
        delivery_id=delivery_id,
        body_hash=body_hash,
        ticket_id=event.ticket_id,
        contact_id=contact_id,
        thread_id=thread_id,
        text=event.text,
        email=email,
        held_for=held_for,
        detail=detail,
        message_key=_message_key(source.name, event),
        weak_key=f"{source.name}:{event_id}" if weak_seconds else None,
        weak_seconds=weak_seconds,
    )


def _message_key(source: str, event: Event) -> str | None:
    """Names the customer's reply: several events of one reply are one."""
    if not event.message_id or not event.ticket_id:
        return None
    return _hash(f"{source}\0{event.ticket_id}\0{event.message_id}".encode("utf-8", "surrogatepass"))[:32]


def _answer(admitted: Admitted) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": admitted.verdict, "reopen_id": admitted.reopen_id}
    if admitted.verdict == "held":
        answer["reason"] = admitted.reason
    if admitted.conflict:
        answer["conflict"] = True
    return answer


def _ignored(reason: str) -> Response:
    return JSONResponse({"status": "ignored", "reason": reason})
