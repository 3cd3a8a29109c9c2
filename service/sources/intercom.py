"""`intercom`: conversations and tickets, in the payload models of 2019 and of today.

Signature: `X-Hub-Signature: sha1=`, hex HMAC-SHA1 of the body with the app's client secret; no timestamp, so
only the event id guards against replay. Source: developers.intercom.com, "Webhooks".
Delivery: 5 s, one retry after 1 min, 410 disables, no order. Set-up: HEAD, and a signed `ping` without an id.
One reply may come under both reply topics: the id of its conversation part makes them one.
Status: `open` already, since the reply opened it. So Acquire's state decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import Convert, html, one_of, unix_s, words
from service.sources.parts.fields import Field, Payload, Shape, at, first_of, has, pluck, split, written_by
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example

T = TypeVar("T")

_CONVERSATION_PART = "data.item.conversation_parts.conversation_parts.-1"
"""An event of a conversation lists the part that it is about."""
_TICKET_PARTS = "data.item.ticket_parts.ticket_parts"
"""A ticket lists all of its parts, and what workflows do with a reply comes after it."""

_TO_CONVERSATION_PART, _TO_TICKET_PARTS = split(_CONVERSATION_PART), split(_TICKET_PARTS)

_WRITER: Convert[Author] = one_of(
    {
        "user": "customer",
        "lead": "customer",
        "contact": "customer",
        "admin": "agent",
        "team": "agent",
        "bot": "system",
    }
)


def _part(payload: Payload) -> Mapping[str, object] | None:
    """The part that the event is about: of a ticket, the newest that a customer wrote, else the last one."""
    last = pluck(payload.document, _TO_CONVERSATION_PART)
    if isinstance(last, dict):
        return last
    parts = pluck(payload.document, _TO_TICKET_PARTS)
    found = [each for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []
    customers = [each for each in found if _WRITER(pluck(each, ("author", "type"))) == "customer"]
    return next(reversed(customers or found), None)


def _of_part(path: str, convert: Convert[T]) -> Field[T]:
    way = split(path)
    return Field(
        f"{_CONVERSATION_PART}.{path}",
        lambda payload: convert(pluck(_part(payload), way)),
        lambda payload: has(_part(payload), way),
    )


_AUTHOR: Field[Author] = _of_part("author.type", _WRITER)

_EVENT = Shape(
    event_id=at("id", words),
    type=at("topic", words),
    ticket_id=at("data.item.id", words),
    ticket_status=at("data.item.state", words, "data.item.ticket_state"),
    author=_AUTHOR,
    is_public=_of_part("part_type", one_of({"note": False}, True)),
    text=_of_part("body", html),
    message_id=_of_part("id", words),
    customer_email=first_of(
        at("data.item.user.email", words),
        written_by(_AUTHOR, "customer", field=_of_part("author.email", words)),
    ),
    customer_external_id=at(
        "data.item.user.user_id",
        words,
        "data.item.contacts.contacts.0.external_id",
        "data.item.contacts.0.external_id",
    ),
    occurred_at=at("created_at", unix_s),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    contact = {"type": "user", "id": "5c9553cb27e377f24eed49f7"}
    return {
        "type": "notification_event",
        "app_id": "sample01",
        "data": {
            "type": "notification_event_data",
            "item": {
                "type": "conversation",
                "id": example.ticket_id,
                "created_at": example.unix_s - 86_400,
                "updated_at": example.unix_s,
                "contacts": {"type": "contact.list", "contacts": [contact]},
                "open": True,
                "state": "open",
                "conversation_parts": {
                    "type": "conversation_part.list",
                    "conversation_parts": [
                        {
                            "type": "conversation_part",
                            "id": str(example.number),
                            "part_type": "open",
                            "body": f"<p>{example.html}</p>",
                            "created_at": example.unix_s,
                            "author": contact,
                            "attachments": [],
                        }
                    ],
                    "total_count": 1,
                },
            },
        },
        "links": {},
        "id": example.event_id,
        "topic": "conversation.user.replied",
        "delivery_status": "pending",
        "delivery_attempts": 1,
        "first_sent_at": example.unix_s,
        "created_at": example.unix_s,
    }


KIND = Kind(
    name="intercom",
    scheme=HmacScheme(header="x-hub-signature", hash="sha1", prefix="sha1="),
    reading=Reading(
        (_EVENT,),
        Rules(
            reply_types=frozenset({"conversation.user.replied", "ticket.contact.replied"}),
            ping_types=frozenset({"ping"}),
        ),
    ),
    sample_body=_sample,
    retry_window_seconds=60 + 5,  # one retry after a minute, and its time-out
)
