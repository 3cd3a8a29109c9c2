"""Sets of public keys (JWKS, RFC 7517), from a file or from the address where a helpdesk publishes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.sources.parts.jwt import unpadded
from service.sources.parts.public_keys import rsa_key_of_numbers

Keys: TypeAlias = Sequence[tuple[str | None, RSAPublicKey]]
"""Key id, where there is one, and key."""


def parse_keys(text: bytes) -> Keys:
    """Answer the RSA keys of a JWKS document; none where it is no such document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    entries = document.get("keys") if isinstance(document, dict) else None
    found = [_key(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [entry for entry in found if entry is not None]


def _key(entry: Mapping[str, object]) -> tuple[str | None, RSAPublicKey] | None:
    numbers = [
        int.from_bytes(raw, "big")
        for name in ("n", "e")
        if isinstance(text := entry.get(name), str) and (raw := unpadded(text))
    ]
    key = rsa_key_of_numbers(*numbers) if entry.get("kty") == "RSA" and len(numbers) == 2 else None
    key_id = entry.get("kid")
    return None if key is None else (key_id if isinstance(key_id, str) else None, key)


def keys_of_file(path: str) -> Keys:
    """Answer the keys in a file as it is now; none where it cannot be read."""
    try:
        return _keys_of_version(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):
        return []


@lru_cache(maxsize=16)
def _keys_of_version(path: str, _changed_ns: int) -> Keys:
    return parse_keys(Path(path).read_bytes())


@dataclass(slots=True)
class PublishedKeys:
    """Keys at an address, fetched when first needed, and again hourly or for a key id not seen yet.

    The fetching has a thread of its own, and nobody waits for it here. Keys once known stay, so an address
    out of reach harms only beginners.
    """

    url: str
    fetch: Callable[[str], bytes]
    _keys: Keys = ()
    _fetched_at: datetime | None = None
    _tried_at: datetime | None = None
    _fetching: Future[None] | None = field(default=None, repr=False)

    def for_token(self, key_id: str | None, now: datetime) -> Keys:
        """Answer the keys as far as they are known; where a fetch is due it begins."""
        known = any(key_id in {None, each} for each, _ in self._keys)
        fresh = _is_within(_FRESH_FOR, self._fetched_at, now)
        if not (known and fresh) and not _is_within(_BETWEEN_TRIES, self._tried_at, now):
            self._tried_at = now
            self._fetching = Future()
            threading.Thread(target=self._fetch, args=(now, self._fetching), daemon=True).start()
        return self._keys

    @property
    def is_latest(self) -> bool:
        """Whether the latest fetch brought them: a key that is not among them is none of the publisher's."""
        return self._fetched_at is not None and self._fetched_at == self._tried_at

    @property
    def under_way(self) -> Future[None] | None:
        """The fetch that has not ended."""
        return self._fetching if self._fetching is not None and not self._fetching.done() else None

    def _fetch(self, now: datetime, fetching: Future[None]) -> None:
        try:
            with suppress(OSError, ValueError, HTTPException):
                found = parse_keys(self.fetch(self.url))
                if found:
                    self._keys, self._fetched_at = found, now
        finally:
            fetching.set_result(None)


def _is_within(span: timedelta, then: datetime | None, now: datetime) -> bool:
    """Whether it was no longer ago than that. Where the clock was set back since, nobody knows."""
    return then is not None and timedelta(0) <= now - then < span


@lru_cache(maxsize=16)
def published_keys(url: str) -> PublishedKeys:
    """Answer the one set of keys that this process has of an address."""
    return PublishedKeys(url, _get)


def _get(url: str) -> bytes:
    with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # the caller's address is https
        content: bytes = answer.read(_LARGEST_BYTES)
    return content


_FRESH_FOR = timedelta(hours=1)
_BETWEEN_TRIES = timedelta(minutes=1)
_TIMEOUT_SECONDS = 5
_LARGEST_BYTES = 262_144
