"""`kustomer`: outbound webhooks on `kustomer.message.create`.

Signature: hex HMAC-SHA256 of the body with the token from the webhook's creation; no timestamp, so only the
event id guards against replay. Source: developer.kustomer.com, "Webhooks"; payload as captured by Pipedream.
Delivery: a few seconds; retries after 1, 1, 2, 5, 10, 15 and 30 min, then switched off.
The text is a preview, which Kustomer may have cut.
"""

from __future__ import annotations

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import one_of, plain, unix_s, words
from service.sources.parts.fields import Field, Shape, at, written_by
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example

_AUTHOR: Field[Author] = at("data.attributes.direction", one_of({"in": "customer", "out": "agent"}))
_MESSAGE_CREATED = "kustomer.message.create"

_MESSAGE = Shape(
    event_id=at("id", words),
    type=at("name", words),
    ticket_id=at("data.relationships.conversation.data.id", words),
    author=_AUTHOR,
    text=written_by(_AUTHOR, "customer", field=at("data.attributes.preview", plain)),
    message_id=at("data.id", words),
    customer_email=written_by(_AUTHOR, "customer", field=at("data.attributes.meta.from", words)),
    customer_external_id=written_by(
        _AUTHOR, "customer", field=at("data.relationships.customer.data.id", words)
    ),
    occurred_at=at("createdAt", unix_s),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    message_id = f"{example.number:024x}"
    return {
        "id": example.event_id,
        "name": _MESSAGE_CREATED,
        "org": "67dd47dfbc632c1804db1bf1",
        "partition": "67dd47dfbc632c1804db1bf1",
        "data": {
            "type": "message",
            "id": message_id,
            "attributes": {
                "channel": "email",
                "app": "postmark",
                "direction": "in",
                "directionType": "followup-in",
                "preview": example.message,
                "meta": {"from": "customer@example.com", "to": [{"email": "support@example.com"}]},
                "status": "received",
                "sentAt": example.iso,
                "createdAt": example.iso,
            },
            "relationships": {
                "customer": {"data": {"type": "customers", "id": "67dd47dfbc632c1804db1bf2"}},
                "conversation": {"data": {"type": "conversation", "id": example.ticket_id}},
            },
        },
        "createdAt": example.iso,
        "persist": True,
        "dataId": message_id,
    }


KIND = Kind(
    name="kustomer",
    scheme=HmacScheme(header="x-kustomer-webhook-signature"),
    reading=Reading((_MESSAGE,), Rules(reply_types=frozenset({_MESSAGE_CREATED}))),
    sample_body=_sample,
    retry_window_seconds=(1 + 1 + 2 + 5 + 10 + 15 + 30) * 60,
)
