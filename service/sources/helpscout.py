"""`helpscout`: webhooks on `convo.customer.reply.created`.

Signature: base64 HMAC-SHA1 of the body with a literal secret; no timestamp. Source: Help Scout's PHP SDK
(examples/incoming_webhook.php) and developer.helpscout.com, "Webhooks".
The event's name stands only in an unsigned header, so the thread's id, which is signed, tells replies apart.
Delivery: retries not documented. Set-up: `helpscout.test`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import Convert, html, one_of, unix_s, words
from service.sources.parts.fields import Payload, Shape, at, computed, header, pluck, split
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example

_REPLIED = "convo.customer.reply.created"
_NAME = header("x-helpscout-event")
_THREADS = "_embedded.threads"
_AUTHOR: Convert[Author] = one_of({"customer": "customer", "user": "agent"})


def _reply(payload: Payload) -> Mapping[str, object] | None:
    """The newest thread a customer wrote, else the first: the name that says whose it is, is not signed."""
    threads = pluck(payload.document, split(_THREADS))
    found = [each for each in threads if isinstance(each, dict)] if isinstance(threads, list) else []
    customers = [each for each in found if pluck(each, ("createdBy", "type")) == "customer"]
    return max(customers, key=_created, default=next(iter(found), None))


def _created(thread: Mapping[str, object]) -> datetime:
    return unix_s(thread.get("createdAt")) or datetime.min.replace(tzinfo=UTC)


def _author(payload: Payload) -> Author | None:
    return _AUTHOR(pluck(_reply(payload), ("createdBy", "type")))


def _reply_id(payload: Payload) -> str | None:
    return words(pluck(_reply(payload), ("id",)))


def _event_id(payload: Payload) -> str | None:
    parts = (_NAME.read(payload), at("id", words).read(payload), _reply_id(payload))
    known = [part for part in parts if part is not None]
    return ":".join(known) if len(known) == len(parts) else None


_CONVERSATION = Shape(
    event_id=computed(f"{_THREADS}[].id", _event_id),
    type=_NAME,
    ticket_id=at("id", words),
    ticket_status=at("status", words),
    author=computed(f"{_THREADS}[].createdBy.type", _author),
    text=computed(f"{_THREADS}[].body", lambda payload: html(pluck(_reply(payload), ("body",)))),
    message_id=computed(f"{_THREADS}[].id", _reply_id),
    customer_email=at("primaryCustomer.email", words),
    customer_external_id=at("primaryCustomer.id", words),
    occurred_at=computed(
        f"{_THREADS}[].createdAt", lambda payload: unix_s(pluck(_reply(payload), ("createdAt",)))
    ),
    promised=("type", "ticket_id", "author", "message_id"),
)


def _sample(example: Example) -> dict[str, object]:
    customer = {"id": 256, "type": "customer", "email": "customer@example.com"}
    return {
        "id": example.whole_ticket_id,
        "number": 12,
        "status": "active",
        "subject": "Screen broken",
        "primaryCustomer": customer,
        "userUpdatedAt": example.iso,
        "_embedded": {
            "threads": [
                {
                    "id": example.number,
                    "type": "customer",
                    "status": "active",
                    "body": f"<div>{example.html}</div>",
                    "createdBy": customer,
                    "createdAt": example.iso,
                }
            ]
        },
    }


KIND = Kind(
    name="helpscout",
    scheme=HmacScheme(header="x-helpscout-signature", hash="sha1", encoding="base64"),
    reading=Reading(
        (_CONVERSATION,),
        Rules(reply_types=frozenset({_REPLIED}), ping_types=frozenset({"helpscout.test"})),
    ),
    sample_body=_sample,
    sample_headers=lambda _: {"x-helpscout-event": _REPLIED},
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
