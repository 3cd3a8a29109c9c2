"""What a Redis in memory holds: keys with their values and expiries, and whose run it is. Its strings are
bytes, a character for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Value = Any
"""What a key holds: `str`, `Hash`, `Sorted`, `list` or `set`."""


class Hash(dict[str, str]):
    """A hash: field -> value."""

    def copy(self) -> Hash:
        return Hash(self)


class Sorted(dict[str, float]):
    """A sorted set: member -> score."""

    def copy(self) -> Sorted:
        return Sorted(self)

    def ordered(self) -> list[str]:
        if len(self) < 2:
            return list(self)
        return sorted(self, key=lambda member: (self[member], member))


class RedisState:
    """One database.

    `clock_ms` is its own wall clock; `run_id` changes with every start; `bells` counts
    the bells that were ever made, since their ids are never used twice.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.clock_ms = clock_ms
        self.keys: dict[str, Value] = {}
        self.expires_ms: dict[str, int] = {}
        self.starts = 1
        self.bells = 0
        self.config = {"appendonly": "yes", "appendfsync": "everysec"}

    @property
    def run_id(self) -> str:
        return f"{self.starts:040x}"

    def restart(self, *, forget: dict[str, Value] | None = None) -> None:
        """Start anew: with what it held, or with an earlier `snapshot`."""
        self.starts += 1
        if forget is not None:
            self.keys = forget

    def snapshot(self) -> dict[str, Value]:
        return {key: value if isinstance(value, str) else value.copy() for key, value in self.keys.items()}

    def get(self, key: str) -> Value | None:
        if key in self.expires_ms and self.expires_ms[key] <= self.clock_ms():
            self.keys.pop(key, None)
            del self.expires_ms[key]
        return self.keys.get(key)

    def hash(self, key: str) -> Hash:
        return self._made(key, Hash)

    def sorted(self, key: str) -> Sorted:
        return self._made(key, Sorted)

    def drop_empty(self, key: str) -> None:
        if not self.keys[key]:
            del self.keys[key]

    def _made(self, key: str, kind: type[Any]) -> Any:
        value = self.get(key)
        if value is None:
            value = self.keys[key] = kind()
        return value


def text(value: Any) -> str:
    return value if type(value) is str else number(value)


def number(value: Any) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def as_kept(value: Any) -> str:
    """What a client sends, as it is held here: bytes, a character for each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    told = str(value)
    return told if told.isascii() else told.encode("utf-8", "surrogateescape").decode("latin-1")


def as_text(kept: str) -> str:
    """What is held here, as a client reads it."""
    return kept if kept.isascii() else kept.encode("latin-1").decode("utf-8", "surrogateescape")
