"""`hmac`: a scheme put together in TOML, so that a helpdesk nobody foresaw works too.

    [sources.desk]
    kind = "hmac"
    secret_env = "DESK_SECRET"
    header = "x-desk-signature"              # where the signature is; needed
    hash = "sha256"                          # sha1, sha256, sha384, sha512
    encoding = "hex"                         # hex, base64
    prefix = "v0="                           # what stands before the signature in its header
    signed_content = "v0:{timestamp}:{body}" # what is signed; {body}, {timestamp}, {id}; by default the body
    timestamp_header = "x-desk-timestamp"    # needed where {timestamp} is signed
    timestamp_unit = "s"                     # s, ms, iso8601
    secret_encoding = "raw"                  # how the secret is written: raw, base64, hex
    id_header = "x-desk-delivery"            # the event id; without one, the hash of the body stands for it
    type_header = "x-desk-event"             # the event's type; without one, "type" in the body
    reply_types = ["comment"]                # the types that tell of a customer's reply; [] is all of them

The body is read as that of `standard`; `[sources.desk.map]` says where it differs. GitHub's scheme is
`header = "x-hub-signature-256"` with `prefix = "sha256="`; Slack's is the example above with Slack's headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from service.sources.base import Options, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, RULES, body_sample, known_by_signed
from service.sources.parts.fields import Payload, Shape, header
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.instants import UNITS, Unit
from service.sources.parts.options import choice_fault, text_fault, text_of, words_fault, words_of
from service.sources.parts.signatures import (
    ENCODINGS,
    HASHES,
    SECRET_ENCODINGS,
    Encoding,
    Hash,
    SecretEncoding,
)


@dataclass(frozen=True, slots=True)
class ConfiguredHmac:
    """An `HmacScheme` whose every part is an option."""

    @property
    def options(self) -> frozenset[str]:
        return frozenset({*_TEXTS, *_CHOICES})

    def option_faults(self, options: Options) -> list[str]:
        found = [text_fault(options, name) for name in _TEXTS]
        found += [choice_fault(options, name, choices) for name, choices in _CHOICES.items()]
        found += [text_fault(options, "type_header"), words_fault(options, "reply_types")]
        faults = [fault for fault in found if fault is not None]
        if not options.get("header"):
            faults.append("header: missing; name the header that holds the signature")
        return faults + _content_faults(options)

    def check_secret(self, secret: str, options: Options) -> str | None:
        return _scheme(options).check_secret(secret, options)

    def verify(self, request: Request, source: Source, now: datetime) -> None:
        _scheme(source.options).verify(request, source, now)

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None) -> Request:
        """Answer the request signed, with the event's id and type in the headers that the options name."""
        return _scheme(source.options).sign(_addressed(request, source.options), source, now, signing_key)


def _content_faults(options: Options) -> list[str]:
    content = text_of(options, "signed_content", "{body}")
    faults = []
    if content.count("{body}") != 1:
        faults.append("signed_content: must hold {body} once, or the body could be anything")
    for place, name in (("{timestamp}", "timestamp_header"), ("{id}", "id_header")):
        if place in content and not options.get(name):
            faults.append(f"{name}: missing; signed_content has {place}")
    if options.get("timestamp_header") and "{timestamp}" not in content:
        faults.append("timestamp_header: signed_content lacks {timestamp}, so the time could be anything")
    return faults


def _scheme(options: Options) -> HmacScheme:
    return HmacScheme(
        header=text_of(options, "header", "").lower(),
        hash=cast("Hash", text_of(options, "hash", "sha256")),
        encoding=cast("Encoding", text_of(options, "encoding", "hex")),
        prefix=text_of(options, "prefix", ""),
        content=text_of(options, "signed_content", "{body}"),
        timestamp_header=text_of(options, "timestamp_header", "").lower() or None,
        timestamp_unit=cast("Unit", text_of(options, "timestamp_unit", "s")),
        id_header=text_of(options, "id_header", "").lower() or None,
        key_encoding=cast("SecretEncoding", text_of(options, "secret_encoding", "raw")),
    )


def _addressed(request: Request, options: Options) -> Request:
    headers = dict(request.headers)
    event_id = headers.pop(_SAMPLE_ID, "")
    if options.get("id_header"):
        headers[text_of(options, "id_header", "").lower()] = event_id
    if options.get("type_header"):
        types = words_of(options, "reply_types")
        headers[text_of(options, "type_header", "").lower()] = types[0] if types else "reply"
    return replace(request, headers=headers)


def _reading(options: Options) -> Reading:
    """The contract's body, with event id and type where the options say."""
    shape, rules = BODY, RULES
    id_header = text_of(options, "id_header", "").lower()
    if id_header:
        shape = replace(shape, event_id=header(id_header))
        if "{id}" not in text_of(options, "signed_content", "{body}"):
            shape = replace(shape, message_id=known_by_signed(_signed_content))
    if options.get("type_header"):
        shape = replace(shape, type=header(text_of(options, "type_header", "").lower()))
    if "reply_types" in options:
        types = frozenset(words_of(options, "reply_types"))
        rules = replace(rules, reply_types=types or None)
    return Reading((_without_promise_of_type(shape) if rules.reply_types is None else shape,), rules)


def _signed_content(payload: Payload) -> bytes:
    return _scheme(payload.source.options).signed_content(payload.request)


def _without_promise_of_type(shape: Shape) -> Shape:
    return replace(shape, promised=tuple(name for name in shape.promised if name != "type"))


_TEXTS = ("header", "prefix", "signed_content", "timestamp_header", "id_header")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "hash": HASHES,
    "encoding": ENCODINGS,
    "timestamp_unit": UNITS,
    "secret_encoding": SECRET_ENCODINGS,
}
# A sample's event id travels under this name until the header is known that it belongs in.
_SAMPLE_ID = "reopener-sample-id"

KIND = Kind(
    name="hmac",
    scheme=ConfiguredHmac(),
    reading=Reading((BODY,), RULES),
    reading_for=_reading,
    reading_options=frozenset({"type_header", "reply_types"}),
    sample_body=body_sample,
    sample_headers=lambda example: {_SAMPLE_ID: example.event_id},
    retry_window_seconds=86_400,
)
