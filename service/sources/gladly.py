"""`gladly`: webhooks on `CONTACT/MESSAGE_RECEIVED`.

Signature: `Gladly-Authorization` and `Gladly-Time`, in the style of AWS v4: hex HMAC-SHA256 of the canonical
request, with a key derived from the API key and the day. It is documented for look-up requests; whether event
webhooks have it is not, so `auth = "basic"`, `"header"` and `"query"` are taken too. The path is part of it:
`public_url` says which one Gladly called. Source: Gladly's developer documentation; upsidelab/spree_gladly.
Delivery: 15 s; four resends in about an hour, then switched off. Set-up: `PING`. The text is by API only; the
event's type says that the customer wrote (the sample in the documentation names an agent as initiator).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from service.domain.decide import Rules
from service.sources.base import Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.by_option import ByOption
from service.sources.parts.conversions import one_of, unix_s, words
from service.sources.parts.fields import Shape, at
from service.sources.parts.instants import check_age
from service.sources.parts.public_url import SignsAddress, called_url
from service.sources.parts.samples import Example
from service.sources.parts.shared_secret import PLACES, SharedSecret
from service.sources.parts.signatures import header_bytes, mac, mismatch, required_header, same, to_bytes

_SIGNATURE, _TIME = "gladly-authorization", "gladly-time"


@dataclass(frozen=True, slots=True)
class GladlyScheme(SignsAddress):
    """Method, path, query, the headers named in the signature and the body's hash, signed together."""

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the request within the tolerance."""
        found = _AUTHORIZATION.fullmatch(required_header(request, _SIGNATURE))
        if found is None:
            raise Rejected(
                "header_malformed",
                f"{_SIGNATURE} is not SigningAlgorithm=hmac-sha256, SignedHeaders=..., Signature=...",
            )
        written = required_header(request, _TIME)
        check_age(written, "iso8601", header=_TIME, now=now, tolerance_seconds=source.tolerance_seconds)
        given, names = found["signature"].lower(), found["headers"].lower().split(";")
        url = called_url(request, source.options)

        def fits(key: bytes, body: bytes) -> bool:
            return same(given, _signature(key, replace(request, body=body), url, names))

        secrets = [secret.reveal() for secret in source.secrets]
        if not any([fits(to_bytes(secret), request.body) for secret in secrets]):  # noqa: C419  # same time
            raise mismatch(
                fits,
                secrets,
                request.body,
                "raw",
                or_else=", or Gladly called another path: is public_url right?",
            )

    def sign(self, request: Request, source: Source, now: datetime, _signing_key: str | None, /) -> Request:
        """Answer the request as Gladly would sign it, with content type and time among the headers."""
        written = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        dated = replace(request, headers={**request.headers, _TIME: written})
        names = ["content-type", _TIME]
        key = to_bytes(source.secrets[0].reveal())
        signature = _signature(key, dated, called_url(request, source.options), names)
        value = f"SigningAlgorithm=hmac-sha256, SignedHeaders={';'.join(names)}, Signature={signature}"
        return replace(dated, headers={**dated.headers, _SIGNATURE: value})


def _signature(key: bytes, request: Request, url: str, names: Sequence[str]) -> str:
    written = request.headers[_TIME].strip()
    digest = hashlib.sha256(_canonical(request, url, names)).hexdigest()
    day_key = hmac.digest(key, header_bytes(written[:8]), "sha256")
    return mac(day_key, header_bytes(f"hmac-sha256\n{written}\n{digest}"), "sha256", "hex")


def _canonical(request: Request, url: str, names: Sequence[str]) -> bytes:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    headers = [f"{name}:{request.headers.get(name, '').strip()}" for name in names]
    body_digest = hashlib.sha256(request.body).hexdigest()
    lines = [request.method, parts.path, parts.query, *headers, "", ";".join(names), body_digest]
    return header_bytes("\n".join(lines))


_AUTHORIZATION = re.compile(
    r"SigningAlgorithm=hmac-sha256,\s*"
    r"SignedHeaders=(?P<headers>[A-Za-z0-9;-]{1,2000}),\s*"
    r"Signature=(?P<signature>[0-9A-Fa-f]{64})"
)

_RECEIVED = "CONTACT/MESSAGE_RECEIVED"

_MESSAGE = Shape(
    event_id=at("id", words),
    type=at("type", words),
    ticket_id=at("content.conversationId", words),
    author=at("type", one_of({_RECEIVED.lower(): "customer"})),
    message_id=at("content.messageId", words),
    customer_external_id=at("content.customerId", words),
    occurred_at=at("timestamp", unix_s),
    promised=("type", "ticket_id", "message_id"),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "id": example.event_id,
        "type": _RECEIVED,
        "timestamp": example.iso,
        "initiator": {"id": "OOrX8Dn3Ru6VGS2lUQ8HHQ", "type": "CUSTOMER"},
        "content": {
            "channel": "SMS",
            "contactId": "zGaHXjD4SR-moMR9LbULDa",
            "conversationId": example.ticket_id,
            "customerId": "OOrX8Dn3Ru6VGS2lUQ8HHQ",
            "messageId": f"{example.number:x}",
            "context": {"assignee": {"inboxId": "4S7Xjyb6Q3KPsHUWyBoh3g"}},
        },
    }


KIND = Kind(
    name="gladly",
    scheme=ByOption("auth", {"signature": GladlyScheme(), **dict.fromkeys(PLACES, SharedSecret())}),
    reading=Reading((_MESSAGE,), Rules(reply_types=frozenset({_RECEIVED}), ping_types=frozenset({"PING"}))),
    sample_body=_sample,
    retry_window_seconds=4500,  # four resends in about an hour
)
