"""`crisp`: hooks of a plugin, which are signed, or of a website (`auth = "query"`), with a key in the URL.

Signature of a plugin: hex HMAC-SHA256 over `[timestamp;body]`. Whether the timestamp is in s or ms is not
documented: both are taken. Source: docs.crisp.chat, "Web hooks", and Crisp's SDK for Node.
Delivery: retries not documented (`x-delivery-attempt-count` exists). The event id is the fingerprint.
`message:send` is the visitor's message, `message:received` the operator's. No address of the visitor.
"""

from __future__ import annotations

from service.domain.decide import Rules
from service.sources.kind import Kind, Reading
from service.sources.parts.by_option import ByOption
from service.sources.parts.conversions import one_of, plain, unix_ms, words
from service.sources.parts.fields import Shape, at
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example
from service.sources.parts.shared_secret import PLACES, SharedSecret

_SCHEME = ByOption(
    "auth",
    {
        "signature": HmacScheme(
            header="x-crisp-signature",
            content="[{timestamp};{body}]",
            timestamp_header="x-crisp-request-timestamp",
            timestamp_unit="s_or_ms",
        ),
        **dict.fromkeys(PLACES, SharedSecret()),
    },
)

_FROM_VISITOR = "message:send"

_MESSAGE = Shape(
    event_id=at("data.fingerprint", words),
    type=at("event", words),
    ticket_id=at("data.session_id", words),
    author=at("data.from", one_of({"user": "customer", "operator": "agent"})),
    is_public=at("data.type", one_of({"note": False}, True)),
    text=at("data.content", plain),
    message_id=at("data.fingerprint", words),
    occurred_at=at("data.timestamp", unix_ms, "timestamp"),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    website_id = "42286ab3-b29a-4fde-8538-da0ae501d825"
    return {
        "website_id": website_id,
        "event": _FROM_VISITOR,
        "data": {
            "website_id": website_id,
            "session_id": example.ticket_id,
            "type": "text",
            "content": example.message,
            "from": "user",
            "origin": "chat",
            "stamped": True,
            "timestamp": example.unix_ms,
            "fingerprint": example.number,
            "user": {"nickname": "visitor493603", "user_id": example.ticket_id},
        },
        "timestamp": example.unix_ms,
    }


KIND = Kind(
    name="crisp",
    scheme=_SCHEME,
    reading=Reading((_MESSAGE,), Rules(reply_types=frozenset({_FROM_VISITOR}))),
    sample_body=_sample,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
