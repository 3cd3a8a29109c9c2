"""`zendesk`: event subscriptions, and triggers whose body its author wrote after our template.

Signature: base64 HMAC-SHA256 over timestamp and body, without anything between; the secret is literal.
Source: developer.zendesk.com, "Verifying webhooks" and "Ticket events". The age limit is our policy.
Delivery: 12 s (10 s second-hand); retries 409 three times, 429 and 503 with `Retry-After` under 60, time-outs
five times. Events may repeat. A comment's status event is ignored, so that one reply is one event.
Status: the one after the reply; Zendesk opens a follow-up for a closed ticket. So Acquire's state decides.

A trigger's invocation id is in an unsigned header; the signed bytes guard against replay.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, REPLIED, known_by_signed
from service.sources.parts.conversions import flag, one_of, plain, unix_s, words
from service.sources.parts.fields import Field, Shape, at, header, written_by
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.samples import Example

_SCHEME = HmacScheme(
    header="x-zendesk-webhook-signature",
    encoding="base64",
    content="{timestamp}{body}",
    timestamp_header="x-zendesk-webhook-signature-timestamp",
    timestamp_unit="iso8601",
    refused_secrets={
        "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==": "is the test secret that Zendesk publishes"
    },
)

_TRIGGER = replace(
    BODY,
    marker="data",
    event_id=header("x-zendesk-webhook-invocation-id"),
    message_id=known_by_signed(lambda payload: _SCHEME.signed_content(payload.request)),
)

_AUTHOR: Field[Author] = at("event.comment.author.is_staff", one_of({True: "agent", False: "customer"}))

_EVENT = Shape(
    event_id=at("id", words),
    type=at("type", words),
    ticket_id=at("detail.id", words),
    ticket_status=at("detail.status", words),
    author=_AUTHOR,
    is_public=at("event.comment.is_public", flag),
    text=at("event.comment.body", plain),
    message_id=at("event.comment.id", words),
    customer_external_id=written_by(_AUTHOR, "customer", field=at("detail.requester_id", words)),
    occurred_at=at("time", unix_s),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "account_id": 22129848,
        "detail": {
            "actor_id": "8447388090494",
            "assignee_id": "8447388090495",
            "brand_id": "8447346621310",
            "created_at": example.iso,
            "custom_status": "8447320465790",
            "description": "The screen stays black.",
            "external_id": None,
            "id": example.ticket_id,
            "is_public": True,
            "priority": "NORMAL",
            "requester_id": "8447388090494",
            "status": "OPEN",
            "subject": "Screen broken",
            "tags": [],
            "type": "PROBLEM",
            "updated_at": example.iso,
            "via": {"channel": "email"},
        },
        "event": {
            "comment": {
                "author": {"id": "8447388090494", "is_staff": False, "name": "Sample Customer"},
                "body": example.message,
                "id": str(example.number),
                "is_public": True,
            }
        },
        "id": example.event_id,
        "subject": f"zen:ticket:{example.ticket_id}",
        "time": example.iso,
        "type": "zen:event-type:ticket.comment_added",
        "zendesk_event_version": "2022-11-06",
    }


KIND = Kind(
    name="zendesk",
    scheme=_SCHEME,
    reading=Reading(
        (_TRIGGER, _EVENT),
        Rules(reply_types=frozenset({"zen:event-type:ticket.comment_added", REPLIED})),
    ),
    sample_body=_sample,
    retry_window_seconds=5 * 72,  # five repeats, each within the time-out of 12 s and Retry-After under 60
)
