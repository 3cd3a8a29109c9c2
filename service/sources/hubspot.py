"""`hubspot`: an app's subscription to `conversation.newMessage`, or a workflow that sends our template.

Signature, by version: v3, base64 HMAC-SHA256 over method, URL, body and timestamp in ms; v2, hex SHA-256 over
secret, method, URL and body; v1, over secret and body. v1 and v2 know no time, so only the event's id guards
against replay. The URL is the one HubSpot called (`public_url`). Source: HubSpot's SDKs for Python, Node, PHP
and Ruby, and developers.hubspot.com, "Validating requests".
Delivery: 5 s for an array of up to 100 events; retried ten times in 24 h, a workflow's for three days.
`eventId` is not unique: `objectId` and `messageId` are. Neither who wrote nor what is in a subscription's
payload: such events are held until a person, or `[sources.NAME.map] author`, says that it was the customer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from service.domain.decide import Rules
from service.sources.base import Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, FLAT_BODY, REPLIED
from service.sources.parts.conversions import one_of, unix_ms, words
from service.sources.parts.fields import Payload, Shape, at, computed
from service.sources.parts.instants import check_age, written_instant
from service.sources.parts.public_url import SignsAddress, called_url
from service.sources.parts.samples import Example
from service.sources.parts.signatures import header_bytes, mismatch, required_header, same, to_bytes

_V3, _V3_TIME = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
_OLD, _VERSION = "x-hubspot-signature", "x-hubspot-signature-version"

Signer: TypeAlias = Callable[[bytes, bytes, str], str]
"""Key, body and URL to the signature."""


@dataclass(frozen=True, slots=True)
class HubSpotScheme(SignsAddress):
    """Three versions; the newest that a request has counts."""

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the request."""
        given, signer = _given(request, source, now)
        url = called_url(request, source.options)
        secrets = [secret.reveal() for secret in source.secrets]

        def fits(key: bytes, body: bytes) -> bool:
            return same(given, signer(key, body, url))

        if any([fits(to_bytes(secret), request.body) for secret in secrets]):  # noqa: C419  # same time
            return
        for other in _other_urls(url):
            if any(same(given, signer(to_bytes(secret), request.body, other)) for secret in secrets):
                raise Rejected("signature_mismatch", f"HubSpot called another URL than {url}: set public_url")
        raise mismatch(
            fits,
            secrets,
            request.body,
            "raw",
            or_else=", or HubSpot called another URL: is public_url right?",
        )

    def sign(self, request: Request, source: Source, now: datetime, _signing_key: str | None, /) -> Request:
        """Answer the request signed as v3."""
        written = written_instant(now, "ms")
        signer = _v3(request.method, written)
        key = to_bytes(source.secrets[0].reveal())
        signature = signer(key, request.body, called_url(request, source.options))
        return replace(request, headers={**request.headers, _V3: signature, _V3_TIME: written})


def _given(request: Request, source: Source, now: datetime) -> tuple[str, Signer]:
    """The signature of the newest version in the request, and how that version signs."""
    if _V3 in request.headers:
        written = required_header(request, _V3_TIME)
        check_age(written, "ms", header=_V3_TIME, now=now, tolerance_seconds=source.tolerance_seconds)
        return required_header(request, _V3), _v3(request.method, written)
    given = required_header(request, _OLD).lower()
    match request.headers.get(_VERSION, "v1").strip().lower():
        case "v1":
            return given, _v1
        case "v2":
            return given, _v2(request.method)
        case _:
            raise Rejected("header_malformed", f"{_VERSION} names a version other than v1 and v2")


def _v3(method: str, written: str) -> Signer:
    def sign(key: bytes, body: bytes, url: str) -> str:
        content = to_bytes(f"{method}{url}") + body + header_bytes(written)
        return base64.b64encode(hmac.digest(key, content, "sha256")).decode("ascii")

    return sign


def _v2(method: str) -> Signer:
    return lambda key, body, url: hashlib.sha256(key + to_bytes(f"{method}{url}") + body).hexdigest()


def _v1(key: bytes, body: bytes, _url: str) -> str:
    return hashlib.sha256(key + body).hexdigest()


def _other_urls(url: str) -> list[str]:
    """What HubSpot may have called where a proxy ended TLS or the last stroke differs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    secure = parts._replace(scheme="https").geturl()
    return [other for other in (secure, f"{secure}/", secure.removesuffix("/")) if other != url]


def _event_id(payload: Payload) -> str | None:
    object_id, message_id = (at(name, words).read(payload) for name in ("objectId", "messageId"))
    return f"{object_id}-{message_id}" if object_id and message_id else None


_NEW_MESSAGE = Shape(
    event_id=computed("messageId", _event_id),
    type=at("subscriptionType", words),
    ticket_id=at("objectId", words),
    is_public=at("messageType", one_of({"comment": False}, True)),
    message_id=at("messageId", words),
    occurred_at=at("occurredAt", unix_ms),
    promised=("type", "ticket_id", "message_id"),
)

_WORKFLOW = replace(BODY, marker="data")
_FLAT_WORKFLOW = replace(FLAT_BODY, marker="ticket_id")


def _sample(example: Example) -> list[object]:
    return [
        {
            "eventId": example.number,
            "subscriptionId": 987654,
            "portalId": 12345678,
            "appId": 2345678,
            "occurredAt": example.unix_ms,
            "subscriptionType": "conversation.newMessage",
            "attemptNumber": 0,
            "objectId": example.ticket_id,
            "changeSource": "CRM",
            "messageId": example.event_id,
            "messageType": "MESSAGE",
            "changeFlag": "NEW_MESSAGE",
        }
    ]


KIND = Kind(
    name="hubspot",
    scheme=HubSpotScheme(),
    reading=Reading(
        (_WORKFLOW, _FLAT_WORKFLOW, _NEW_MESSAGE),
        Rules(reply_types=frozenset({"conversation.newMessage", REPLIED})),
    ),
    sample_body=_sample,
    batches=True,
    retry_window_seconds=3 * 86_400,  # ten retries in 24 h; a workflow's, three days
)
