"""A webhook's way in: bounded raw read, verify, parse, decide, admit, answer. No rules of its own.

Checked in this order, so that an unsigned request learns nothing of the body's fate: source and method
(404, 405), size (413), content type (415), authenticity (401), content (400).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.responses import Response

from service.answers import Told, error
from service.domain.decide import CASE_STATUS, Ignore, decide
from service.domain.errors import LedgerUnavailable, NotJudged
from service.intake import raw
from service.intake.raw import Refused
from service.intake.remembered import admission
from service.kept import keep_nothing
from service.ledger.admission import Admission, Admitted
from service.ledger.reads import Delivery
from service.logs import get_logger
from service.sources import KINDS
from service.sources.base import Malformed, Rejected, Undecided

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from service.clock import Clock
    from service.domain.events import Event
    from service.kept import Keep
    from service.metrics import ReceiverMetrics
    from service.notes import Notes
    from service.settings import SourceSettings
    from service.sources.base import Request
    from service.sources.kind import Kind

LONGEST_FETCH_SECONDS = 1.0
"""So long a delivery waits for what tells whether it is authentic; others do not wait for it."""

Admit: TypeAlias = Callable[[Sequence[Admission]], Awaitable[Sequence[Admitted]]]
"""Stores what one delivery leaves, as a whole; raises `LedgerUnavailable` where that is not known."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes deliveries of all configured sources."""

    sources: Mapping[str, SourceSettings]
    admit: Admit
    notes: Notes[Delivery]
    clock: Clock
    metrics: ReceiverMetrics
    keep: Keep = keep_nothing
    hear: Callable[[Event], None] = lambda _: None

    async def take(self, name: str, scope: Scope, receive: Receive) -> Response:
        """The answer to a request to `/webhooks/{name}`, as the contract says, whatever it holds."""
        started = self.clock.monotonic()
        source = self.sources.get(name)
        delivery_id = f"{_random_bits(64):016x}"
        mend: str | None = None
        try:
            answer, verdict, reason = await self._take(scope, receive, source, delivery_id)
        except Refused as refused:
            verdict, reason, mend = "rejected", refused.code, refused.message
            if source is not None:
                self._note(name, delivery_id, "rejected", refused.code, refused.message)
            allow = {"Allow": "GET, HEAD, POST"} if refused.status == 405 else None
            answer = error(refused.status, refused.code, refused.message, headers=allow)
        except (LedgerUnavailable, NotJudged) as away:
            verdict, reason = "unavailable", away.slug
            answer = error(503, away.slug, "It is not known to be stored. Send it again: it counts once.")
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
        self, scope: Scope, receive: Receive, source: SourceSettings | None, delivery_id: str
    ) -> tuple[Response, str, str]:
        if source is None:
            raise Refused(404, "no_such_source", "There is no source at this address.")
        if scope["method"] in {"HEAD", "GET"}:
            return Response(), "probe", ""
        if scope["method"] != "POST":
            raise Refused(405, "method_not_allowed", "Webhooks are sent with POST.")
        kind = KINDS[source.kind]
        request = await raw.read(scope, receive)
        raw.check_content_type(request, kind.content_types)
        if kind.probes_with_empty_body and request.body.strip() in {b"", b"[]"}:
            return _ignored("set_up_ping"), "ignored", "set_up_ping"
        try:
            await self._verify(kind, request, source)
            challenge = kind.challenge(request, source)
            if challenge is not None:
                return Told(challenge), "probe", ""
            self.keep(request, source, delivery_id, self.clock.now_ms())
            events = kind.read(request, source)
        except Rejected as rejected:
            raise Refused(401, rejected.slug, rejected.hint) from None
        except Malformed as malformed:
            raise Refused(400, malformed.slug, malformed.message) from None
        is_batch = kind.batches and request.body.lstrip().startswith(b"[")
        hashes = [_hash(repr(event).encode() if is_batch else request.body) for event in events]
        results = await self._store(source, events, hashes, delivery_id)
        if is_batch:
            return Told({"status": "batch", "results": results}), "batch", ""
        if len(results) != 1:
            raise Refused(400, "not_one_event", "The body must hold one event.")
        return Told(results[0]), results[0]["status"], results[0].get("reason", "")

    async def _verify(self, kind: Kind, request: Request, source: SourceSettings) -> None:
        """Raises `Rejected`, or `NotJudged` where what would tell does not come in a moment."""
        try:
            return kind.verify(request, source, self.clock.now())
        except Undecided as undecided:
            under_way = undecided.under_way
        if under_way is not None:
            await asyncio.wait([asyncio.wrap_future(under_way)], timeout=LONGEST_FETCH_SECONDS)
        try:
            return kind.verify(request, source, self.clock.now())
        except Undecided as still:
            raise NotJudged(still.hint) from None

    async def _store(
        self, source: SourceSettings, events: list[Event], hashes: list[str], delivery_id: str
    ) -> list[dict[str, Any]]:
        """Store what is to be stored, as a whole; the answer for each event, in order.

        `hashes` tell bodies of one event apart; in a batch that is the event's own part of it.
        """
        kind = KINDS[source.kind]
        rules, now_ms = kind.rules(source), self.clock.now_ms()
        decisions, admissions = [], []
        for place, event in enumerate(events):
            decision = decide(event, rules)
            decisions.append((event, decision))
            if not isinstance(decision, Ignore):
                admissions.append(
                    admission(
                        source,
                        event,
                        decision,
                        body_hash=hashes[place],
                        delivery_id=f"{delivery_id}.{place}",
                        now_ms=now_ms,
                        retry_window_seconds=kind.retry_window_seconds,
                    )
                )
        admitted = iter(await self.admit(admissions) if admissions else [])
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
                results.append(_told(next(admitted)))
        return results

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


# A delivery's id need only be one of its own: the kernel's randomness would be a call into it for each.
_random_bits = Random().getrandbits


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _told(admitted: Admitted) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": admitted.verdict, "reopen_id": admitted.reopen_id}
    if admitted.verdict == "held":
        answer["reason"] = admitted.reason
    if admitted.conflict:
        answer["conflict"] = True
    return answer


def _ignored(reason: str) -> Response:
    return Told({"status": "ignored", "reason": reason})
