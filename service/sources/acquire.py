"""`acquire`: Acquire's own webhooks on a case's status. They ask for no reopen; they tell what became of one.

Signature: hex HMAC-SHA256 over the body, or over its `JSON.stringify` form, with the secret chosen at the
webhook's creation; no timestamp. Source: Acquire's documentation of its webhooks, and its history.
Delivery: exactly 200; retries not documented. No event id: the body's hash stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.decide import Rules
from service.sources.base import Options, Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import words
from service.sources.parts.fields import Shape, at
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.json_body import stringified
from service.sources.parts.options import NoOptions
from service.sources.parts.samples import Example

_SCHEME = HmacScheme(header="x-acquire-signature")


@dataclass(frozen=True, slots=True)
class AcquireScheme(NoOptions):
    """The raw body first, then the body as JavaScript would write it."""

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        return _SCHEME.check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the body in one of its two forms."""
        try:
            _SCHEME.verify(request, source, now)
        except Rejected:
            rewritten = stringified(request.body)
            if rewritten is None:
                raise
            _SCHEME.verify(replace(request, body=rewritten), source, now)

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        return _SCHEME.sign(request, source, now, signing_key)


_STATUS_CHANGED = "case:status"

_STATUS = Shape(
    event_id=None,
    type=at("event", words),
    ticket_id=at("data.caseId", words),
    ticket_status=at("data.status", words),
    customer_external_id=at("data.contact.id", words),
    promised=("type",),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "event": _STATUS_CHANGED,
        "data": {
            "caseId": example.ticket_id,
            "status": "closed",
            "fields": {},
            "contact": {"id": str(example.contact_id or 5), "fields": {}},
            "messages": [
                {
                    "id": str(example.number),
                    "channel": "chat",
                    "senderId": str(example.contact_id or 5),
                    "senderType": "contact",
                    "type": "event",
                    "message": example.message,
                    "seen": "yes",
                    "dateCreated": example.now.strftime(
                        "%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)"
                    ),
                }
            ],
        },
    }


KIND = Kind(
    name="acquire",
    scheme=AcquireScheme(),
    reading=Reading((_STATUS,), Rules(reply_types=frozenset(), case_types=frozenset({_STATUS_CHANGED}))),
    sample_body=_sample,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
