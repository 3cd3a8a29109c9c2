"""The body that the contract names: what `standard` sends, and what triggers and templates should send.

{"type": "ticket.customer_replied",
 "timestamp": "2026-11-23T10:00:00Z",
 "data": {"ticket_id": "4711", "ticket_status": "closed", "contact_id": 597752, "thread_id": 1683,
          "author": "customer", "message": "It broke again."}}
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from service.domain.decide import Rules
from service.sources.parts.conversions import author_word, identifier, unix_s, verbatim, words
from service.sources.parts.fields import Field, Payload, Shape, at, computed
from service.sources.parts.samples import Example

REPLIED = "ticket.customer_replied"


def _body(root: str, *promised: str) -> Shape:
    return Shape(
        event_id=None,
        type=at("type", words),
        ticket_id=at(f"{root}ticket_id", words),
        ticket_status=at(f"{root}ticket_status", words),
        author=at(f"{root}author", author_word),
        text=at(f"{root}message", verbatim),
        customer_email=at(f"{root}customer_email", words),
        customer_external_id=at(f"{root}customer_external_id", words),
        message_id=at(f"{root}message_id", words),
        contact_id=at(f"{root}contact_id", identifier),
        thread_id=at(f"{root}thread_id", identifier),
        occurred_at=at("timestamp", unix_s),
        promised=(*promised, "ticket_id", "author", "text"),
    )


BODY = _body("data.", "type")
"""It has no id of its own: where the request has one, a kind says so."""

FLAT_BODY = _body("")
"""The same for senders that know names and values only; it need not say of what type it is."""

RULES = Rules(reply_types=frozenset({REPLIED}), closed_statuses=frozenset({"closed", "solved"}))


def known_by_signed(signed_content: Callable[[Payload], bytes]) -> Field[str]:
    """The reply's id where the event id is not signed: the same signed bytes are never another reply.

    Without an id in the body, the hash of what is signed stands for one, so that a captured delivery that
    comes again under another event id is known.
    """

    def read(payload: Payload) -> str:
        digest = sha256(signed_content(payload)).hexdigest()
        return BODY.message_id.read(payload) or f"signed-{digest}"

    return computed(BODY.message_id.path, read)


def body_sample(example: Example) -> dict[str, object]:
    return {
        "type": REPLIED,
        "timestamp": example.iso,
        "data": {
            "ticket_id": example.ticket_id,
            "ticket_status": "closed",
            "contact_id": example.contact_id,
            "thread_id": example.thread_id,
            "author": "customer",
            "message": example.message,
        },
    }
