"""`gorgias`: an HTTP integration on "ticket message created", with the message as its body or our template.

Signature: none; a custom header of the integration, basic auth, or a key in the URL.
Source: docs.gorgias.com, "HTTP integrations"; a message as captured by Pipedream.
Delivery: 3 retries, switched off after many failures (second-hand; their times are not documented).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, REPLIED
from service.sources.parts.conversions import one_of, plain, unix_s, verbatim, words
from service.sources.parts.fields import Field, Shape, at, first_of, written_by
from service.sources.parts.samples import Example
from service.sources.parts.shared_secret import SharedSecret

# A template of the user's makes words of everything.
_FROM_AGENT: Mapping[str | bool, Author] = {
    True: "agent",
    False: "customer",
    "true": "agent",
    "false": "customer",
}
_AUTHOR: Field[Author] = at("from_agent", one_of(_FROM_AGENT))

_MESSAGE = Shape(
    event_id=at("id", words),
    ticket_id=at("ticket_id", words),
    author=_AUTHOR,
    is_public=at("public", one_of({False: False, "false": False}, True)),
    text=first_of(at("stripped_text", verbatim), at("body_text", plain)),
    message_id=at("id", words),
    customer_email=written_by(_AUTHOR, "customer", field=at("sender.email", words)),
    occurred_at=at("created_datetime", unix_s),
    promised=("ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "id": example.number,
        "ticket_id": example.whole_ticket_id,
        "uri": f"/api/tickets/{example.ticket_id}/messages/{example.number}/",
        "external_id": None,
        "from_agent": False,
        "public": True,
        "channel": "email",
        "via": "email",
        "subject": "Screen broken",
        "body_text": example.message,
        "stripped_text": example.message,
        "created_datetime": example.iso,
        "sender": {"id": 387654483, "email": "customer@example.com", "name": "Sample Customer"},
        "receiver": {"id": 387705374, "email": "support@example.com", "name": None},
    }


KIND = Kind(
    name="gorgias",
    scheme=SharedSecret(),
    reading=Reading((replace(BODY, marker="data"), _MESSAGE), Rules(reply_types=frozenset({REPLIED}))),
    sample_body=_sample,
    retry_window_seconds=3600,
)
