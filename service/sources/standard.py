"""`standard`: Standard Webhooks 1.0, as Svix and others send it, with the body that the contract names.

Source: the specification and libraries at github.com/standard-webhooks/standard-webhooks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.sources.base import CannotSign, Options, Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.contract_body import BODY, RULES, body_sample
from service.sources.parts.fields import Payload, computed, header
from service.sources.parts.instants import check_age, written_instant
from service.sources.parts.options import NoOptions
from service.sources.parts.signatures import decode_base64, header_bytes, mac, mismatch, required_header, same


@dataclass(frozen=True, slots=True)
class StandardScheme(NoOptions):
    """`id.timestamp.body`, signed with HMAC-SHA256 (`v1`) or ed25519 (`v1a`), both in base64.

    The signature header is a list with spaces between, so that a sender may rotate its keys. Versions that
    are not known are ignored. A source's secret is `whsec_` and base64, bare base64, or a public key `whpk_`.
    """

    def check_secret(self, secret: str, _options: Options, /) -> str | None:
        if secret.startswith(_PRIVATE):
            return "is the sender's private key (whsk_); the public one (whpk_) belongs here"
        if secret.startswith(_PUBLIC):
            return None if _public_key(secret) else "must be whpk_ and 32 bytes in base64"
        return None if _hmac_key(secret) else "must be whsec_ and base64"

    def verify(self, request: Request, source: Source, now: datetime) -> None:
        """Raise `Rejected` unless one of the signatures is from one of the source's secrets."""
        prefix = _prefix(request)
        message_id = _written_id(request, f"{prefix}-id")
        written = required_header(request, f"{prefix}-timestamp")
        signatures = _by_version(required_header(request, f"{prefix}-signature"))
        check_age(
            written,
            "s",
            header=f"{prefix}-timestamp",
            now=now,
            tolerance_seconds=source.tolerance_seconds,
        )
        if not signatures:
            raise Rejected("header_malformed", f"{prefix}-signature has no signature of version v1 or v1a")
        before = _before_body(message_id, written)
        content = before + request.body
        secrets = [secret.reveal() for secret in source.secrets]
        is_signed = False
        for secret in secrets:  # all of them: it takes the same time whichever fits
            is_signed |= _signed(content, signatures, secret)
        if is_signed:
            return
        raise mismatch(
            lambda key, body: _fits(before + body, signatures, key),
            [way for secret in secrets for way in (secret.removeprefix(_SECRET), secret)],
            request.body,
            "base64",
        )

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None) -> Request:
        """Answer the request with a `webhook-signature`; `signing_key` is a `whsk_` key."""
        written = written_instant(now, "s")
        content = _before_body(request.headers["webhook-id"], written) + request.body
        secret = signing_key or source.secrets[0].reveal()
        if secret.startswith(_PUBLIC):
            raise CannotSign("the source knows only the public key (whpk_); give the private one (whsk_)")
        if secret.startswith(_PRIVATE):
            private = Ed25519PrivateKey.from_private_bytes(
                (decode_base64(secret.removeprefix(_PRIVATE)) or b"")[:32]
            )
            signature = f"v1a,{base64.b64encode(private.sign(content)).decode('ascii')}"
        else:
            signature = f"v1,{mac(_hmac_key(secret) or b'', content, 'sha256', 'base64')}"
        return replace(
            request,
            headers={**request.headers, "webhook-timestamp": written, "webhook-signature": signature},
        )


def _written_id(request: Request, name: str) -> str:
    """The id as it is signed; a blank one is judged later, and holds its event."""
    return request.headers[name].strip() if name in request.headers else required_header(request, name)


def _prefix(request: Request) -> str:
    """Which of the two families of header names this request uses, by what its signature is under."""
    return (
        "svix"
        if "svix-signature" in request.headers and "webhook-signature" not in request.headers
        else "webhook"
    )


def _by_version(signature_header: str) -> list[tuple[str, str]]:
    signatures = []
    for entry in signature_header.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]:
        version, _, signature = entry.partition(",")
        if version in {"v1", "v1a"}:
            signatures.append((version, signature))
    return signatures


def _before_body(message_id: str, written: str) -> bytes:
    return header_bytes(f"{message_id}.{written}.")


def _signed(content: bytes, signatures: Sequence[tuple[str, str]], secret: str) -> bool:
    if secret.startswith(_PUBLIC):
        public = _public_key(secret)
        return public is not None and _signed_by(
            public, content, [s for version, s in signatures if version == "v1a"]
        )
    key = _hmac_key(secret)
    return key is not None and _fits(content, signatures, key)


def _fits(content: bytes, signatures: Sequence[tuple[str, str]], key: bytes) -> bool:
    expected = mac(key, content, "sha256", "base64")
    fits = False
    for version, given in signatures:  # all of them, as above
        fits |= version == "v1" and same(given, expected)
    return fits


def _signed_by(public: Ed25519PublicKey, content: bytes, signatures: Iterable[str]) -> bool:
    for signature in signatures:
        try:
            public.verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, binascii.Error, ValueError):
            continue
        return True
    return False


@lru_cache(maxsize=64)
def _hmac_key(secret: str) -> bytes | None:
    return decode_base64(secret.removeprefix(_SECRET)) or None


@lru_cache(maxsize=64)
def _public_key(secret: str) -> Ed25519PublicKey | None:
    raw = decode_base64(secret.removeprefix(_PUBLIC))
    return Ed25519PublicKey.from_public_bytes(raw) if raw is not None and len(raw) == 32 else None


_SECRET, _PUBLIC, _PRIVATE = "whsec_", "whpk_", "whsk_"
# More are not tried: each costs a comparison, and a stranger writes the header.
_MOST_SIGNATURES = 32


def _id_beside_signature(payload: Payload) -> str | None:
    # Only the id beside the signature is signed; the other family's could be anything.
    return _IDS[_prefix(payload.request)].read(payload)


_IDS = {prefix: header(f"{prefix}-id") for prefix in ("svix", "webhook")}


KIND = Kind(
    name="standard",
    scheme=StandardScheme(),
    # A reply may be of no ticket, and without words: neither is needed to go on with a thread that is told.
    reading=Reading(
        (
            replace(
                BODY,
                event_id=computed("header webhook-id", _id_beside_signature),
                promised=("type", "author"),
            ),
        ),
        RULES,
    ),
    sample_body=body_sample,
    sample_headers=lambda example: {"webhook-id": example.event_id},
    retry_window_seconds=4 * 86_400,  # the recommended schedule ends after about 76 hours
)
