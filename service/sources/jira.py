"""`jira`: a webhook on comments of Jira Service Management, with a secret set.

Signature: `X-Hub-Signature: sha256=`, hex HMAC of the body; WebSub's other hashes are possible. No timestamp.
Source: developer.atlassian.com, "Webhooks"; a payload as captured by Zulip.
Delivery: retries 408, 409, 425, 429 and 5xx, about five times. The event id is in an unsigned header, so the
comment's id, which is signed, guards against replay. Of a customer only the account id is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.base import Options, Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import flag, one_of, plain, unix_ms, words
from service.sources.parts.fields import Field, Shape, at, header, written_by
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.options import NoOptions
from service.sources.parts.samples import Example
from service.sources.parts.signatures import HASHES, required_header

_HEADER = "x-hub-signature"
_BY_HASH: Mapping[str, HmacScheme] = {
    name: HmacScheme(header=_HEADER, hash=name, prefix=f"{name}=") for name in HASHES
}


@dataclass(frozen=True, slots=True)
class WebSubScheme(NoOptions):
    """The signature's own prefix says which hash made it."""

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        return _BY_HASH["sha256"].check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the body."""
        method = required_header(request, _HEADER).partition("=")[0]
        if method not in _BY_HASH:
            raise Rejected("header_malformed", f"{_HEADER} begins with none of {', '.join(_BY_HASH)} and =")
        _BY_HASH[method].verify(request, source, now)

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        return _BY_HASH["sha256"].sign(request, source, now, signing_key)


_AUTHOR: Field[Author] = at(
    "comment.author.accountType",
    one_of({"customer": "customer", "atlassian": "agent", "app": "system"}),
)
_COMMENTED = "comment_created"

_COMMENT = Shape(
    event_id=header("x-atlassian-webhook-identifier"),
    type=at("webhookEvent", words),
    ticket_id=at("issue.key", words),
    ticket_status=at("issue.fields.status.name", words),
    author=_AUTHOR,
    is_public=at("comment.jsdPublic", flag),
    text=at("comment.body", plain),
    message_id=at("comment.id", words),
    customer_external_id=written_by(_AUTHOR, "customer", None, field=at("comment.author.accountId", words)),
    occurred_at=at("timestamp", unix_ms),
    promised=("type", "ticket_id", "author", "text", "message_id"),
)


def _sample(example: Example) -> dict[str, object]:
    return {
        "timestamp": example.unix_ms,
        "webhookEvent": _COMMENTED,
        "comment": {
            "id": str(example.number),
            "author": {
                "accountId": "qm:5a1b0e47748e770ed11f338c",
                "accountType": "customer",
                "displayName": "Sample Customer",
                "active": True,
            },
            "body": example.message,
            "created": example.iso,
            "updated": example.iso,
            "jsdPublic": True,
        },
        "issue": {
            "id": "10000",
            "key": example.ticket_id,
            "fields": {
                "summary": "Screen broken",
                "status": {"name": "Resolved", "id": "5", "statusCategory": {"id": 3, "key": "done"}},
            },
        },
    }


KIND = Kind(
    name="jira",
    scheme=WebSubScheme(),
    reading=Reading((_COMMENT,), Rules(reply_types=frozenset({_COMMENTED}))),
    sample_body=_sample,
    sample_headers=lambda example: {"x-atlassian-webhook-identifier": example.event_id},
    retry_window_seconds=3600,  # about five retries; their times are not documented
)
