"""JSON Web Tokens signed with RS256, as far as a helpdesk's token needs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.sources.base import Rejected
from service.sources.parts.instants import parse_instant
from service.sources.parts.public_keys import rsa_signature, rsa_signed


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was sent: nothing in it is proven before `signed_by` says so."""

    key_id: str | None
    claims: Mapping[str, object]
    content: bytes
    signature: bytes

    def signed_by(self, key: RSAPublicKey) -> bool:
        return rsa_signed(key, self.content, self.signature)

    def names(self, claim: str, expected: str) -> bool:
        """Whether a claim is the expected text, or a list with it."""
        value = self.claims.get(claim)
        return value == expected or (isinstance(value, list) and expected in value)

    def check_age(self, header: str, now: datetime, tolerance_seconds: float) -> None:
        """Refuse a token that is over, or not yet begun, or of which nobody can tell.

        Raises:
            Rejected: `timestamp_malformed`, `timestamp_too_old` or `timestamp_in_future`.
        """
        tolerance = timedelta(seconds=tolerance_seconds)
        begun, over = self._instant("iat"), self._instant("exp")
        if begun is not None and begun - now > tolerance:
            raise Rejected("timestamp_in_future", f"the token in {header} is issued in the future")
        if over is None and begun is None:
            raise Rejected("timestamp_malformed", f"the token in {header} has neither exp nor iat")
        end = over if over is not None else begun
        if end is not None and now - end > tolerance:
            raise Rejected("timestamp_too_old", f"the token in {header} is over; a replay, or a clock is off")

    def _instant(self, claim: str) -> datetime | None:
        value = self.claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return parse_instant(value, "ms" if value >= _LEAST_MS_OF_OUR_TIMES else "s")


def read_token(text: str, header: str) -> Token:
    """Answer the token in a header's text.

    Raises:
        Rejected: `header_malformed`: it is none, or not signed with RS256.
    """
    pieces = text.split(".")
    if len(pieces) == 3:
        head, claims, signature = _object(pieces[0]), _object(pieces[1]), _decoded(pieces[2])
        if head is not None and claims is not None and signature is not None and head.get("alg") == "RS256":
            key_id = head.get("kid")
            content = f"{pieces[0]}.{pieces[1]}".encode("ascii")
            return Token(key_id if isinstance(key_id, str) else None, claims, content, signature)
    raise Rejected("header_malformed", f"{header} is not a token signed with RS256")


def write_token(claims: Mapping[str, object], private_pem: str | None) -> str:
    """Answer a signed token.

    Raises:
        CannotSign: there is no such private key.
    """
    head = {"alg": "RS256", "typ": "JWT"}
    content = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{content}.{_encoded(rsa_signature(private_pem, content.encode('ascii')))}"


def unpadded(text: str) -> bytes | None:
    """Answer the bytes of base64 in its form for URLs, None where it is none."""
    return _decoded(text)


def _object(piece: str) -> Mapping[str, object] | None:
    decoded = _decoded(piece)
    try:
        value = json.loads(decoded) if decoded is not None else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(piece: str) -> bytes | None:
    try:
        return base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


# Some senders write milliseconds: as seconds this is the year 5138.
_LEAST_MS_OF_OUR_TIMES = 100_000_000_000
