"""RSA signatures, checked with a public key and made with a private one: PKCS#1 v1.5 with SHA-256."""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.hashes import SHA256

from service.sources.base import CannotSign
from service.sources.parts.signatures import decode_base64, to_bytes


@lru_cache(maxsize=64)
def rsa_public_key(pem: str) -> RSAPublicKey | None:
    """Answer the key of a PEM text, None where it is none.

    The label is not believed, nor that there are line ends: environments make one line of several, or write
    a backslash and an n.
    """
    found = _PEM.search(pem)
    der = decode_base64(_NO_BASE64.sub("", found[1])) if found else None
    if der is None:
        return None
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def rsa_key_of_numbers(modulus: int, exponent: int) -> RSAPublicKey | None:
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None


def rsa_signed(key: RSAPublicKey, content: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, content, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def rsa_signature(private_pem: str | None, content: bytes) -> bytes:
    """Answer the signature.

    Raises:
        CannotSign: there is no such private key.
    """
    if private_pem is None:
        raise CannotSign("the source knows only the public key; give the private one that it belongs to")
    try:
        key = serialization.load_pem_private_key(to_bytes(private_pem), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise CannotSign("the signing key is no private key in PEM without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise CannotSign("the signing key is no RSA key")
    return key.sign(content, PKCS1v15(), SHA256())


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PUBLIC KEY-----(.*?)-----END", re.DOTALL)
_NO_BASE64 = re.compile(r"\\n|\\r|\s")
