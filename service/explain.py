"""How one delivery is verified, read, decided and mapped, without any effect."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from concurrent import futures
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.domain.decide import Accept, Decision, Hold, Ignore, decide
from service.domain.events import Event
from service.settings import SourceSettings
from service.sources import Kind
from service.sources.base import Malformed, Rejected, Request, Undecided

SET_UP_PING = "set_up_ping"
LONGEST_WAIT_SECONDS = 10.0
"""So long what is needed to verify may take to come."""


class NotARequest(Exception):
    """A file does not hold a request; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found, step by step; it is read on after a failed verification.

    `reason` and `hint` say why it was not verified, `malformed` and `mend` why it could not be read; each is
    None where it was. `probe` is set where the delivery is a set-up request.
    """

    verified: bool
    reason: str | None = None
    hint: str | None = None
    malformed: str | None = None
    mend: str | None = None
    probe: str | None = None
    events: tuple[tuple[Event, Decision], ...] = ()


def explain(
    kind: Kind, source: SourceSettings, request: Request, now: datetime, *, unproven: Sequence[str] = ()
) -> Explained:
    """What the receiver would make of this request at this time.

    `unproven` are faults in the source's secrets and options that keep it from being verified.
    """
    proof = _proof(kind, source, request, now, unproven)
    found = read(kind, source, request)
    return replace(found, verified=proof.verified, reason=proof.reason, hint=proof.hint)


def read(kind: Kind, source: SourceSettings, request: Request) -> Explained:
    """What the receiver would make of this request, which was verified before."""
    if request.method in {"GET", "HEAD"}:
        return Explained(verified=True, probe=SET_UP_PING)
    if kind.probes_with_empty_body and request.body.strip() in {b"", b"[]"}:
        return Explained(verified=True, probe=SET_UP_PING)
    try:
        if kind.challenge(request, source) is not None:
            return Explained(verified=True, probe="challenge")
        rules = kind.rules(source)
        events = tuple((event, decide(event, rules)) for event in kind.read(request, source))
    except Malformed as malformed:
        return Explained(verified=True, malformed=malformed.slug, mend=malformed.message)
    pinged = any(isinstance(decision, Ignore) and decision.reason == SET_UP_PING for _, decision in events)
    return Explained(verified=True, probe=SET_UP_PING if pinged else None, events=events)


def as_line(explained: Explained) -> dict[str, Any]:
    """The contract's JSON line, with the sentence for a person beside each slug."""
    return {
        "verified": explained.verified,
        "reason": explained.reason,
        "hint": explained.hint,
        "malformed": explained.malformed,
        "mend": explained.mend,
        "probe": explained.probe,
        "events": [_event(event, decision) for event, decision in explained.events],
    }


def differences(before: Explained, after: Explained) -> list[dict[str, Any]]:
    """What two explanations of one delivery say differently: `{"event", "field", "before", "after"}` each.

    `event` is the place in the delivery, None for what concerns all of it.
    """
    one, two = as_line(before), as_line(after)
    found = _differing(None, one, two, sorted(one.keys() - {"events"}))
    nothing: dict[str, Any] = {}
    for place, (was, now) in enumerate(zip_longest(one["events"], two["events"], fillvalue=nothing)):
        found += _differing(place, was, now, list(was or now))
    return found


def request_from(text: str) -> Request:
    """The request that a file describes. Raises `NotARequest`."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotARequest(f"it is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise NotARequest('it must be an object: {"method", "url", "headers", "body"}')
    headers = told.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise NotARequest("headers must be an object of strings")
    url = told.get("url", "http://localhost/")
    if not isinstance(url, str):
        raise NotARequest("url must be a string")
    try:
        query = urlsplit(url).query
    except ValueError as error:
        raise NotARequest(f"url is not an address: {error}") from None
    return Request(
        method=str(told.get("method", "POST")).upper(),
        url=url,
        headers={name.lower(): value for name, value in headers.items()},
        body=_body(told),
        query=dict(parse_qsl(query, keep_blank_values=True)),
    )


def as_file(request: Request) -> dict[str, Any]:
    """A request as a file describes it."""
    told = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    try:
        return told | {"body": request.body.decode("utf-8")}
    except UnicodeDecodeError:
        return told | {"body_base64": base64.b64encode(request.body).decode("ascii")}


def _body(told: dict[str, Any]) -> bytes:
    encoded = told.get("body_base64")
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise NotARequest("body_base64 must be base64") from None
    body = told.get("body", "")
    if not isinstance(body, str):
        raise NotARequest("body must be a string, exactly as it was sent; JSON in it is escaped")
    return body.encode("utf-8", "surrogatepass")


def _proof(
    kind: Kind, source: SourceSettings, request: Request, now: datetime, unproven: Sequence[str]
) -> Explained:
    if kind.option_faults(source.options):
        # With such options a scheme promises nothing.
        return Explained(verified=False, reason="source_at_fault", hint="; ".join(unproven))
    try:
        _verify(kind, source, request, now)
    except Rejected as rejected:
        return Explained(verified=False, reason=rejected.slug, hint="; ".join((*unproven, rejected.hint)))
    return Explained(verified=True)


def _verify(kind: Kind, source: SourceSettings, request: Request, now: datetime) -> None:
    try:
        kind.verify(request, source, now)
    except Undecided as undecided:
        if undecided.under_way is not None:
            futures.wait([undecided.under_way], LONGEST_WAIT_SECONDS)
        kind.verify(request, source, now)


def _differing(
    place: int | None, before: dict[str, Any], after: dict[str, Any], fields: list[str]
) -> list[dict[str, Any]]:
    return [
        {"event": place, "field": field, "before": before.get(field), "after": after.get(field)}
        for field in fields
        if before.get(field) != after.get(field)
    ]


def _event(event: Event, decision: Decision) -> dict[str, Any]:
    """`event_id` is the helpdesk's own; where it has none, `stand_in_id` is what stands for it."""
    decided, reason, why = _told(decision)
    stands_in = event.weak_id_window_seconds is not None
    return {
        "event_id": None if stands_in else event.event_id or None,
        "ticket_id": event.ticket_id,
        "ticket_status": event.ticket_status,
        "customer_email": event.customer_email,
        "customer_external_id": event.customer_external_id,
        "author": event.author,
        "text": event.text,
        "occurred_at": _time(event.occurred_at),
        "decision": decided,
        "reason": reason,
        "why": why,
        "type": event.type or None,
        "message_id": event.message_id,
        "contact_id": event.contact_id,
        "thread_id": event.thread_id,
        "stand_in_id": event.event_id if stands_in else None,
    }


def _told(decision: Decision) -> tuple[str, str | None, str | None]:
    match decision:
        case Accept():
            return "accept", None, None
        case Ignore(reason, sentence):
            return "ignore", reason, sentence
        case Hold(reason, detail):
            return "hold", reason, detail


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
