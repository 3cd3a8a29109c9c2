"""The scheme of helpdesks that sign nothing: a secret in a header, in basic auth, or in the URL.

It proves only that the sender knows the secret, not that the body is his nor that it is fresh: whoever sees
one delivery can send others. HTTPS, and keeping URLs out of proxies' logs, are all that protects it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from service.sources.base import Options, Rejected, Request, Source
from service.sources.parts.options import choice_fault, text_fault, text_of
from service.sources.parts.signatures import decode_base64, required_header, same, to_bytes

Place = Literal["header", "basic", "query"]
PLACES: tuple[Place, ...] = ("header", "basic", "query")


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """`auth` says where the secret is; `header` or `query` names the place. Without `auth`, that tells."""

    @property
    def options(self) -> frozenset[str]:
        return frozenset({"auth", "header", "query"})

    def option_faults(self, options: Options, /) -> list[str]:
        found = [choice_fault(options, "auth", PLACES)]
        found += [text_fault(options, name) for name in ("header", "query")]
        faults = [fault for fault in found if fault is not None]
        if faults:
            return faults
        place = _place(options)
        if place != "basic" and not options.get(place):
            faults.append(f'{place}: missing; auth = "{place}" needs the name of the place of the secret')
        faults += [
            f'{name}: has no meaning with auth = "{place}"'
            for name in ("header", "query")
            if name != place and options.get(name)
        ]
        return faults

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        if not secret:
            return "must not be empty"
        if _place(options) == "basic" and ":" not in secret:
            return "must be user:password, as it is sent with basic auth"
        return None

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:  # noqa: ARG002  # nothing is dated
        """Raise `Rejected` unless the request brings one of the source's secrets."""
        given = _given(request, source.options)
        if not any([same(given, _as_sent(each.reveal())) for each in source.secrets]):  # noqa: C419  # same time
            raise Rejected("secret_mismatch", _likely_mistake(given, request, source))

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:  # noqa: ARG002  # as verify
        """Answer the request with the source's first secret in its place."""
        secret, options = source.secrets[0].reveal(), source.options
        match _place(options):
            case "query":
                name = text_of(options, "query", "")
                mark = "&" if "?" in request.url else "?"
                url = f"{request.url}{mark}{quote(name, safe='')}={quote(secret, safe='')}"
                return replace(request, url=url, query={**request.query, name: secret})
            case "basic":
                token = base64.b64encode(to_bytes(secret)).decode("ascii")
                return _with_header(request, "authorization", f"Basic {token}")
            case "header":
                return _with_header(request, text_of(options, "header", "").lower(), secret)


def _place(options: Options) -> Place:
    told = options.get("auth")
    for place in PLACES:
        if place == told:
            return place
    if options.get("query"):
        return "query"
    return "header" if options.get("header") else "basic"


def _given(request: Request, options: Options) -> str:
    place = _place(options)
    if place == "query":
        name = text_of(options, "query", "")
        if not request.query.get(name):
            raise Rejected("query_missing", f"the address called has no {name!r} after its question mark")
        return _as_sent(request.query[name])
    if place == "header":
        return required_header(request, text_of(options, "header", "").lower())
    scheme, _, token = required_header(request, "authorization").partition(" ")
    decoded = decode_base64(token.strip()) if scheme.lower() == "basic" else None
    if decoded is None:
        raise Rejected("header_malformed", "authorization is not basic auth (Basic, then base64)")
    return decoded.decode("latin-1")


def _as_sent(text: str) -> str:
    """A text as a web server shows the bytes of a header: one character for each byte of UTF-8."""
    return to_bytes(text).decode("latin-1")


def _likely_mistake(given: str, request: Request, source: Source) -> str:
    secrets = [_as_sent(each.reveal()) for each in source.secrets]
    if any([same(given, each.strip()) for each in secrets]):  # noqa: C419  # same time
        return "the secret here has white space around it"
    if _place(source.options) == "header" and given.lower().startswith(("bearer ", "basic ")):
        return 'the header holds a word like "Bearer" before the secret: it must stand in the secret here too'
    if any([same(given, each.partition(":")[2]) for each in secrets]):  # noqa: C419  # same time
        return "the helpdesk sends only the password; user:password is expected"
    where = "address" if request.query else "request"
    return f"the {where} brings another secret than this source's"


def _with_header(request: Request, name: str, value: str) -> Request:
    return replace(request, headers={**request.headers, name: _as_sent(value)})
