"""The scheme most helpdesks use: an HMAC in one header over the body and perhaps a timestamp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.sources.base import Options, Rejected, Request, Source
from service.sources.parts.instants import Unit, check_age, written_instant
from service.sources.parts.options import NoOptions
from service.sources.parts.signatures import (
    Encoding,
    Hash,
    SecretEncoding,
    decode_secret,
    header_bytes,
    mac,
    mismatch,
    required_header,
    same,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HmacScheme(NoOptions):
    """What is in which header, and over what.

    `content` is a template of what is signed, with `{body}`, `{timestamp}` and `{id}` standing for the raw
    bytes of the body and of the two headers. `prefix` stands before the signature in its header. Without
    `timestamp_header` a captured delivery can be replayed for ever; the ledger's dedupe is all that helps.
    """

    header: str
    hash: Hash = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    content: str = "{body}"
    timestamp_header: str | None = None
    timestamp_unit: Unit = "s"
    id_header: str | None = None
    key_encoding: SecretEncoding = "raw"
    refused_secrets: Mapping[str, str] = field(default_factory=dict)
    """Secret → why it must not be used."""

    def check_secret(self, secret: str, _options: Options, /) -> str | None:
        if secret in self.refused_secrets:
            return self.refused_secrets[secret]
        if not decode_secret(secret, self.key_encoding):
            return f"must be written in {self.key_encoding}" if secret else "must not be empty"
        return None

    def verify(self, request: Request, source: Source, now: datetime) -> None:
        """Raise `Rejected` unless one of the source's secrets signed the request within the tolerance."""
        given = self._signature(request)
        if self.timestamp_header is not None:
            check_age(
                required_header(request, self.timestamp_header),
                self.timestamp_unit,
                header=self.timestamp_header,
                now=now,
                tolerance_seconds=source.tolerance_seconds,
            )
        before, after = self._around_body(request)

        def fits(key: bytes, body: bytes) -> bool:
            return same(given, mac(key, before + body + after, self.hash, self.encoding))

        secrets = [secret.reveal() for secret in source.secrets]
        keys = [key for secret in secrets if (key := decode_secret(secret, self.key_encoding))]
        if not any([fits(key, request.body) for key in keys]):  # noqa: C419  # every key takes the same time
            raise mismatch(fits, secrets, request.body, self.key_encoding)

    def _signature(self, request: Request) -> str:
        value = required_header(request, self.header)
        if not value.startswith(self.prefix):
            raise Rejected("header_malformed", f"{self.header} does not begin with {self.prefix!r}")
        signature = value.removeprefix(self.prefix)
        return signature.lower() if self.encoding == "hex" else signature

    def _around_body(self, request: Request) -> tuple[bytes, bytes]:
        """What is signed before and after the body."""
        before, _, after = self.content.partition("{body}")
        return self._filled(before, request), self._filled(after, request)

    def _filled(self, template: str, request: Request) -> bytes:
        values = {"{timestamp}": self.timestamp_header, "{id}": self.id_header}
        return b"".join(
            header_bytes(request.headers.get(values[piece] or "", "").strip())
            if piece in values
            else piece.encode("utf-8")
            for piece in _PLACE.split(template)
        )

    def signed_content(self, request: Request) -> bytes:
        """The bytes that the signature covers."""
        before, after = self._around_body(request)
        return before + request.body + after

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None) -> Request:
        """Answer the request as the helpdesk would send it, signed with the source's first secret."""
        headers = dict(request.headers)
        if self.timestamp_header is not None:
            headers[self.timestamp_header] = written_instant(now, self.timestamp_unit)
        stamped = replace(request, headers=headers)
        key = decode_secret(signing_key or source.secrets[0].reveal(), self.key_encoding) or b""
        signature = mac(key, self.signed_content(stamped), self.hash, self.encoding)
        return replace(request, headers={**headers, self.header: self.prefix + signature})


_PLACE = re.compile(r"(\{timestamp\}|\{id\})")
