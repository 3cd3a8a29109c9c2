"""How one delivery is verified, read, decided and mapped, without any effect. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.domain.decide import Accept, Decision, Hold, Ignore, decide
from service.domain.events import Event
from service.settings import SourceSettings
from service.sources import Kind
from service.sources.base import Malformed, Rejected, Request


class NotARequest(Exception):
    """A file does not hold a request; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found, step by step. `reason` and `hint` say why it was refused, None where it was not.

    `probe` is set where the delivery is a set-up request; it is read on after a failed verification.
    """

    verified: bool
    reason: str | None
    hint: str | None
    probe: str | None
    events: tuple[tuple[Event, Decision], ...]


def explain(kind: Kind, source: SourceSettings, request: Request, now: datetime) -> Explained:
    """What the receiver would make of this request at this time."""
    reason: str | None = None
    hint: str | None = None
    verified = True
    if kind.probes_with_empty_body and request.body.strip() in {b"", b"[]"}:
        return Explained(verified=True, reason=None, hint=None, probe="set_up_ping", events=())
    try:
        kind.verify(request, source, now)
    except Rejected as rejected:
        verified, reason, hint = False, rejected.slug, rejected.hint
    probe = None
    events: tuple[tuple[Event, Decision], ...] = ()
    try:
        if kind.challenge(request, source) is not None:
            probe = "challenge"
        else:
            rules = kind.rules(source)
            events = tuple((event, decide(event, rules)) for event in kind.read(request, source))
    except Malformed as malformed:
        reason, hint = reason or malformed.slug, hint or malformed.message
    return Explained(verified, reason, hint, probe, events)


def as_line(explained: Explained) -> dict[str, Any]:
    """The contract's JSON line."""
    return {
        "verified": explained.verified,
        "reason": explained.reason,
        "probe": explained.probe,
        "events": [_event(event, decision) for event, decision in explained.events],
    }


def request_from(text: str) -> Request:
    """The request that a file describes. Raises `NotARequest`."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise NotARequest(f"it is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise NotARequest('it must be an object: {"method", "url", "headers", "body"}')
    headers = told.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise NotARequest("headers must be an object of strings")
    url = told.get("url", "http://localhost/")
    if not isinstance(url, str):
        raise NotARequest("url must be a string")
    return Request(
        method=str(told.get("method", "POST")).upper(),
        url=url,
        headers={name.lower(): value for name, value in headers.items()},
        body=_body(told),
        query=dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
    )


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


def _event(event: Event, decision: Decision) -> dict[str, Any]:
    decided, reason = _told(decision)
    return {
        "event_id": event.event_id,
        "ticket_id": event.ticket_id,
        "ticket_status": event.ticket_status,
        "customer_email": event.customer_email,
        "customer_external_id": event.customer_external_id,
        "author": event.author,
        "text": event.text,
        "occurred_at": _time(event.occurred_at),
        "decision": decided,
        "reason": reason,
        "type": event.type,
        "message_id": event.message_id,
        "contact_id": event.contact_id,
        "thread_id": event.thread_id,
    }


def _told(decision: Decision) -> tuple[str, str | None]:
    match decision:
        case Accept():
            return "accept", None
        case Ignore(reason):
            return "ignore", reason
        case Hold(reason):
            return "hold", reason


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
