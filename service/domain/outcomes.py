"""How a call to Acquire can end, classified by where it broke (rule 9 of docs/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Done:
    """2xx for the thread asked for, with an id. `message_id` is set by an append, None by a reopen."""

    case_id: int
    thread_id: int
    message_id: int | None = None
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A readable 2xx for another thread or case: Acquire acted, but elsewhere. Never sent again."""

    case_id: int | None
    thread_id: int | None
    http_status: int = 200


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request left: name lookup, connect, TLS, pool time-out, or our own last check."""

    error: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Acquire itself says no, for good: 400, 404, 422. `words` are Acquire's."""

    http_status: int
    words: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Acquire asks everybody to wait: 429, or 503 with `Retry-After` or its own body. It did not act."""

    http_status: int
    retry_after_seconds: float | None


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """401 or 403: the key is refused. It did not act."""

    http_status: int
    words: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and no trustworthy answer came back: Acquire may or may not have acted."""

    error: str
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """We did not call: Acquire is left alone until `until_ms`, for the reason `why`."""

    why: str
    until_ms: int


Outcome: TypeAlias = Done | Misplaced | NotSent | Refused | Throttled | Unauthorized | Unknown | Withheld
