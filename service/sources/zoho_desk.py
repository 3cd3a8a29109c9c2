"""`zoho-desk`: webhooks on `Ticket_Thread_Add`.

Signature: a token (JWT, RS256) in `X-ZDesk-JWT`, from `orgId:<id>` for `webhookId:<id>`. It does not cover
the body, so it proves only that the sender holds a token of Zoho's for this webhook. Keys: `jwks_file`, or
those at desk.zoho.<dc>/.well-known/jwks.json. Source: desk.zoho.com/support/WebhookDocument.do.
Delivery: exactly 200 within 5 s; 410 removes the hook; retries not documented. The body is an array; times
are ms in strings. Set-up: GET, then POST with an empty body or `[]` (second-hand).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.domain.decide import Rules
from service.sources.base import Options, Rejected, Request, Source, Undecided
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import one_of, unix_ms, words
from service.sources.parts.fields import Shape, at, text_by_type
from service.sources.parts.jwks import PublishedKeys, keys_of_file, published_keys
from service.sources.parts.jwt import read_token, write_token
from service.sources.parts.options import text_fault, text_of
from service.sources.parts.samples import Example
from service.sources.parts.signatures import required_header

_HEADER = "x-zdesk-jwt"


def _published(dc: str) -> PublishedKeys:
    return published_keys(f"https://desk.zoho.{dc}/.well-known/jwks.json")


@dataclass(frozen=True, slots=True)
class ZohoScheme:
    """A token beside the body. `published` answers the keys of a data centre."""

    published: Callable[[str], PublishedKeys] = _published

    @property
    def options(self) -> frozenset[str]:
        return frozenset({"org_id", "webhook_id", "dc", "jwks_file"})

    def option_faults(self, options: Options, /) -> list[str]:
        faults = [fault for name in sorted(self.options) if (fault := text_fault(options, name)) is not None]
        faults += [
            f"{name}: missing; without it, tokens for other people's webhooks would do"
            for name in ("org_id", "webhook_id")
            if not options.get(name)
        ]
        if not _DATA_CENTRE.fullmatch(text_of(options, "dc", _DEFAULT_DC)):
            faults.append("dc: must be what follows desk.zoho. in your address, like com or eu")
        path = text_of(options, "jwks_file", "")
        if path and not keys_of_file(path):
            faults.append("jwks_file: cannot be read, or holds no RSA key in the form of a JWKS")
        return faults

    def check_secret(self, _secret: str, _options: Options, /) -> str | None:
        return "is not used: Zoho's tokens are checked with public keys; take secret_env away"

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected` unless the token is Zoho's, for this webhook, and not over."""
        token = read_token(required_header(request, _HEADER), _HEADER)
        # Before keys are fetched: only who knows the ids can make us fetch any.
        for claim, expected, name in _claims(source.options):
            if not token.names(claim, expected):
                raise Rejected(
                    "token_for_another", f"the token's {claim} is not {expected}: is {name} right?"
                )
        token.check_age(_HEADER, now, source.tolerance_seconds)
        path = text_of(source.options, "jwks_file", "")
        published = None if path else self.published(text_of(source.options, "dc", _DEFAULT_DC))
        keys = published.for_token(token.key_id, now) if published else keys_of_file(path)
        fitting = [key for key_id, key in keys if token.key_id in {None, key_id} or key_id is None]
        if not fitting and published and not published.is_latest:
            raise Undecided("key_unavailable", "Zoho's public keys could not be had yet", published.under_way)
        if not fitting:
            raise Rejected("key_unavailable", "Zoho has no public key of the name that is in the token")
        if not any(token.signed_by(key) for key in fitting):
            raise Rejected(
                "signature_mismatch", "no key of Zoho's signed the token: are dc or jwks_file right?"
            )

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        """Answer the request with a token signed with `signing_key`, an RSA private key in PEM."""
        claims: dict[str, object] = {claim: expected for claim, expected, _ in _claims(source.options)}
        claims |= {"iat": int(now.timestamp()), "exp": int((now + _TOKEN_LIFE).timestamp())}
        return replace(request, headers={**request.headers, _HEADER: write_token(claims, signing_key)})


def _claims(options: Options) -> list[tuple[str, str, str]]:
    """Claim, what it must be, and the option that says so."""
    return [
        ("iss", f"orgId:{text_of(options, 'org_id', '')}", "org_id"),
        ("aud", f"webhookId:{text_of(options, 'webhook_id', '')}", "webhook_id"),
    ]


_DEFAULT_DC = "com"
_DATA_CENTRE = re.compile(r"[a-z]{2,3}(?:\.[a-z]{2,3})?")
_TOKEN_LIFE = timedelta(minutes=5)

_THREAD_ADDED = "Ticket_Thread_Add"

_THREAD = Shape(
    event_id=at("payload.id", words),
    type=at("eventType", words),
    ticket_id=at("payload.ticketId", words),
    author=at("payload.direction", one_of({"in": "customer", "out": "agent"})),
    text=text_by_type("payload.content", "payload.contentType"),
    message_id=at("payload.id", words),
    occurred_at=at("eventTime", unix_ms),
    promised=("type", "ticket_id", "author", "text"),
)


def _sample(example: Example) -> list[object]:
    return [
        {
            "eventType": _THREAD_ADDED,
            "eventTime": str(example.unix_ms),
            "orgId": "700123",
            "payload": {
                "id": str(example.number),
                "ticketId": example.ticket_id,
                "direction": "in",
                "content": f"<div>{example.html}</div>",
                "contentType": "html",
            },
            "prevState": None,
        }
    ]


KIND = Kind(
    name="zoho-desk",
    scheme=ZohoScheme(),
    reading=Reading((_THREAD,), Rules(reply_types=frozenset({_THREAD_ADDED}))),
    sample_body=_sample,
    batches=True,
    probes_with_empty_body=True,
    needs_secret=False,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
