"""`chatwoot`: an account's webhook on `message_created`.

Signature: `X-Chatwoot-Signature: sha256=`, hex HMAC-SHA256 over `timestamp.body`, timestamp in s, with the
webhook's secret. Older versions sign nothing: `auth = "query"` and a key in the URL. Source:
chatwoot.com, "How to use webhooks"; payloads as its source (app/models/message.rb, lib/webhooks) writes them.
Delivery: 5 s, and never repeated.
Status: the one after the reply, which opens the conversation. So Acquire's state decides.
"""

from __future__ import annotations

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.by_option import ByOption
from service.sources.parts.conversions import inverse, one_of, plain, unix_s, words
from service.sources.parts.fields import Field, Shape, at, written_by
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example
from service.sources.parts.shared_secret import PLACES, SharedSecret

_SCHEME = ByOption(
    "auth",
    {
        "signature": HmacScheme(
            header="x-chatwoot-signature",
            prefix="sha256=",
            content="{timestamp}.{body}",
            timestamp_header="x-chatwoot-timestamp",
        ),
        **dict.fromkeys(PLACES, SharedSecret()),
    },
)

_AUTHOR: Field[Author] = at(
    "message_type",
    one_of({"incoming": "customer", "outgoing": "agent", "activity": "system", "template": "system"}),
)
_CREATED = "message_created"

_MESSAGE = Shape(
    event_id=at("id", words),
    type=at("event", words),
    ticket_id=at("conversation.id", words, "conversation.display_id"),
    ticket_status=at("conversation.status", words),
    author=_AUTHOR,
    is_public=at("private", inverse),
    text=at("content", plain),
    message_id=at("id", words),
    customer_email=written_by(_AUTHOR, "customer", field=at("sender.email", words)),
    customer_external_id=written_by(_AUTHOR, "customer", field=at("sender.identifier", words)),
    occurred_at=at("created_at", unix_s),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "event": _CREATED,
        "id": example.number,
        "content": example.message,
        "content_type": "text",
        "content_attributes": {},
        "created_at": example.iso,
        "message_type": "incoming",
        "private": False,
        "source_id": None,
        "sender": {
            "id": 5679,
            "type": "contact",
            "name": "Sample Customer",
            "email": "customer@example.com",
            "identifier": None,
        },
        "conversation": {
            "id": example.whole_ticket_id,
            "status": "open",
            "inbox_id": 1,
            "meta": {"sender": {"id": 5679, "email": "customer@example.com"}},
        },
        "inbox": {"id": 1, "name": "Website"},
        "account": {"id": 1, "name": "Sample"},
    }


KIND = Kind(
    name="chatwoot",
    scheme=_SCHEME,
    reading=Reading((_MESSAGE,), Rules(reply_types=frozenset({_CREATED}))),
    sample_body=_sample,
    retry_window_seconds=60,
)
