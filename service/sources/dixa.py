"""`dixa`: webhooks on `CONVERSATION_MESSAGE_ADDED`.

Signature: `X-DIXA-SIGNATURE: t=`ms`,v1=`hex HMAC-SHA256 over `t.body`; the secret is hex and decoded first.
Source: docs.dixa.io, "Webhooks"; a payload as captured by Pipedream.
Delivery: no order; retries not documented. `csid` is a whole number; `external_id` may be the string "null".
Status: the one after the message. So Acquire's state decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.decide import Rules
from service.sources.base import Options, Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import one_of, unix_s, words
from service.sources.parts.fields import Shape, at, text_by_type
from service.sources.parts.instants import check_age, written_instant
from service.sources.parts.options import NoOptions
from service.sources.parts.samples import Example
from service.sources.parts.signatures import (
    decode_hex,
    decode_secret,
    header_bytes,
    mac,
    mismatch,
    required_header,
    same,
)

_HEADER = "x-dixa-signature"


@dataclass(frozen=True, slots=True)
class DixaScheme(NoOptions):
    """Timestamp and signature in one header."""

    def check_secret(self, secret: str, _options: Options, /) -> str | None:
        return None if decode_hex(secret) else "must be written in hex, as Dixa shows it"

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the request within the tolerance."""
        entries = [entry.strip().partition("=") for entry in required_header(request, _HEADER).split(",")]
        times = [value for name, _, value in entries if name == "t"]
        given = [value.lower() for name, _, value in entries if name == "v1"][:_MOST_SIGNATURES]
        if len(times) != 1 or not given:
            raise Rejected("header_malformed", f"{_HEADER} is not t=...,v1=...")
        check_age(times[0], "ms", header=_HEADER, now=now, tolerance_seconds=source.tolerance_seconds)
        before = _before_body(times[0])

        def fits(key: bytes, body: bytes) -> bool:
            expected = mac(key, before + body, "sha256", "hex")
            return any([same(each, expected) for each in given])  # noqa: C419  # same time

        secrets = [secret.reveal() for secret in source.secrets]
        keys = [key for secret in secrets if (key := decode_secret(secret, "hex"))]
        if not any([fits(key, request.body) for key in keys]):  # noqa: C419  # same time
            raise mismatch(fits, secrets, request.body, "hex")

    def sign(self, request: Request, source: Source, now: datetime, _signing_key: str | None, /) -> Request:
        written = written_instant(now, "ms")
        key = decode_hex(source.secrets[0].reveal()) or b""
        signature = mac(key, _before_body(written) + request.body, "sha256", "hex")
        return replace(request, headers={**request.headers, _HEADER: f"t={written},v1={signature}"})


def _before_body(written: str) -> bytes:
    return header_bytes(f"{written}.")


# More are not tried: each costs a comparison, and a stranger writes the header.
_MOST_SIGNATURES = 8


def _unless_null(value: object) -> str | None:
    return None if value == "null" else words(value)


_ADDED = "CONVERSATION_MESSAGE_ADDED"

_MESSAGE = Shape(
    event_id=at("event_id", words),
    type=at("event_fqn", words),
    ticket_id=at("data.conversation.csid", words),
    ticket_status=at("data.conversation.status", words),
    author=at("data.author.user_type", one_of({"contact": "customer", "member": "agent"})),
    text=text_by_type("data.text", "data.content.content_type"),
    message_id=at("data.message_id", words),
    customer_email=at("data.conversation.requester.email", words),
    customer_external_id=at("data.external_id", _unless_null),
    occurred_at=at("event_timestamp", unix_s),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> dict[str, object]:
    customer: dict[str, object] = {
        "email": "customer@example.com",
        "id": "12345678-1234-1234-1234-1234567890ab",
        "name": "Sample Customer",
        "phone": None,
        "roles": [],
        "user_type": "Contact",
    }
    return {
        "event_fqn": _ADDED,
        "event_id": example.event_id,
        "event_timestamp": example.iso,
        "event_version": "1",
        "organization": {"id": "12345678-1234-1234-1234-1234567890ac", "name": "Sample"},
        "data": {
            "author": customer,
            "channel": "EMAIL",
            "content": {"text": example.message, "content_type": "Text"},
            "conversation": {
                "assignee": None,
                "channel": "EMAIL",
                "csid": example.whole_ticket_id,
                "direction": "INBOUND",
                "requester": customer,
                "status": "OPEN",
                "subject": "Screen broken",
                "tags": [],
            },
            "created_at": example.iso,
            "direction": "inbound",
            "external_id": "null",
            "message_id": f"{example.number:032x}",
            "text": example.message,
        },
    }


KIND = Kind(
    name="dixa",
    scheme=DixaScheme(),
    reading=Reading((_MESSAGE,), Rules(reply_types=frozenset({_ADDED}))),
    sample_body=_sample,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
