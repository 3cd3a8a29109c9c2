"""A reopen: the piece of work that one event causes, and the states it passes through."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """Who sets each status, and when."""

    HELD = "held"
    """Admission or a worker: a person must say how it goes on."""
    QUEUED = "queued"
    """Admission, or a person who resolved or retried it: its thread's bell has been rung."""
    RUNNING = "running"
    """A worker's claim: it is the head of its thread."""
    RETRYING = "retrying"
    """A worker: tried without effect, or waiting for the case or the account; due again at `next_ms`."""
    CHECKING = "checking"
    """A worker: something was sent and its outcome is unknown; looked for again at `next_ms`."""
    REOPENED = "reopened"
    """A worker: a new case carries the reply."""
    APPENDED = "appended"
    """A worker: a message in an open case carries the reply."""
    SKIPPED = "skipped"
    """A worker: the case is open and there is nothing to append, or appending is switched off."""
    DEAD = "dead"
    """A worker: refused for good, or given up after real attempts."""
    CANCELLED = "cancelled"
    """A person."""


WAITING = (Status.QUEUED, Status.RUNNING, Status.RETRYING, Status.CHECKING)
DONE = (Status.REOPENED, Status.APPENDED, Status.SKIPPED)
IN_ACQUIRE = (Status.REOPENED, Status.APPENDED)
CANCELLABLE = (Status.HELD, Status.QUEUED, Status.RETRYING)
RETRYABLE = (Status.DEAD, Status.CANCELLED, Status.RETRYING)
RUN_AGAIN = (Status.REOPENED, Status.APPENDED, Status.SKIPPED, Status.DEAD, Status.CANCELLED, Status.HELD)

RECORD_VERSION = 1
"""The least version of this software that may work a record written by it."""


class AttemptOutcome(StrEnum):
    REOPENED = "reopened"
    APPENDED = "appended"
    ADOPTED = "adopted"
    SKIPPED = "skipped"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Call:
    """One call to Acquire within an attempt; durations in milliseconds."""

    name: str
    started_ms: int
    duration_ms: int
    http_status: int | None = None
    error: str | None = None
    timings_ms: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a reopen, numbered from 1; it may hold several calls to Acquire."""

    number: int
    started_ms: int
    ended_ms: int | None = None
    outcome: AttemptOutcome | None = None
    http_status: int | None = None
    error: str | None = None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Reopen:
    """The record of a reopen. Times are unix milliseconds on Redis' clock.

    `position` is its place in the order of first admission. `spent` counts the attempts used up since it
    was admitted or retried by hand, `sent` those of them that reached Acquire; `age_ms` runs only while it
    is the head of its thread and sending is allowed, `ticking_since_ms` says since when (0: it does not
    run). `waits` counts how often it waited for a case in a row, `claims` the claims in a row that never
    ended. `epoch` is Redis' run id when Acquire was last looked at for it. `again_of` is the reopen that a
    person wanted done once more, `again_reason` why. `text_dropped`: it had words, which are in Acquire now.
    """

    id: str
    source: str
    event_id: str
    position: int
    status: Status
    created_ms: int
    updated_ms: int
    ticket_id: str | None = None
    contact_id: int | None = None
    thread_id: int | None = None
    text: str | None = None
    reason: str | None = None
    detail: str | None = None
    new_case_id: int | None = None
    deliveries: int = 1
    next_ms: int | None = None
    attempts: tuple[Attempt, ...] = ()
    spent: int = 0
    sent: int = 0
    age_ms: int = 0
    ticking_since_ms: int = 0
    waits: int = 0
    claims: int = 0
    epoch: str = ""
    again_of: str | None = None
    again_reason: str | None = None
    email: str | None = None
    text_dropped: bool = False
    version: int = RECORD_VERSION

    @property
    def token(self) -> str:
        """What a field that Acquire echoes may carry, to prove that a case came of this reopen."""
        return f"rx-{self.id[:12]}"


@dataclass(frozen=True, slots=True)
class Policy:
    """The `[reopen]` table, and what of `[acquire]` decides with it; in milliseconds where it says so."""

    max_attempts: int = 12
    max_age_ms: int = 86_400_000
    backoff_base_seconds: float = 2
    backoff_cap_seconds: float = 900
    append_to_open_case: bool = True
    hold_unknown: bool = False
    settle_ms: int = 15_000
    timeout_ms: int = 10_000
    rate_per_second: float = 0
    retry_share: float = 0.25
    bulk_at_once: int = 8
    """How many reopens of bulk retries are in work at a time, over all workers."""
    keep_text: bool = False
    """Whether the customer's words are kept once they are in Acquire."""

    @property
    def lease_ms(self) -> int:
        """A lease outlives the call it is taken for, and is noticed as lapsed within 15 s of a kill."""
        return self.timeout_ms + 2_000


def without_text(reopen: Reopen) -> Reopen:
    """The reopen whose words are in Acquire: nobody needs them here any more."""
    return replace(reopen, text=None, email=None, text_dropped=reopen.text_dropped or bool(reopen.text))


def reopen_id(source: str, event_id: str) -> str:
    """The id that a source's event always gets, however often and wherever it arrives."""
    digest = hashlib.sha256(f"{source}\0{event_id}".encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:15], "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(110, -1, -10)])


_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]
"""Base 32 as in RFC 4648, in lower case, by ten bits: the standard library's costs as much as the hash."""


def begin_attempt(reopen: Reopen, now_ms: int) -> Reopen:
    """The reopen with one more attempt, numbered on, that has not ended yet: it waits no more."""
    number = reopen.attempts[-1].number + 1 if reopen.attempts else 1
    return replace(reopen, attempts=(*reopen.attempts, Attempt(number=number, started_ms=now_ms)), waits=0)


def end_attempt(
    reopen: Reopen,
    now_ms: int,
    outcome: AttemptOutcome,
    *,
    http_status: int | None = None,
    error: str | None = None,
    number: int | None = None,
) -> Reopen:
    """The reopen with its last attempt (or that `number`) ended as told; a fact once known is not blanked."""
    ended = tuple(
        replace(
            attempt,
            ended_ms=now_ms,
            outcome=outcome,
            http_status=http_status if http_status is not None else attempt.http_status,
            error=error if error is not None else attempt.error,
        )
        if attempt.number == (number if number is not None else reopen.attempts[-1].number)
        else attempt
        for attempt in reopen.attempts
    )
    return replace(reopen, attempts=ended)


def with_calls(reopen: Reopen, calls: tuple[Call, ...]) -> Reopen:
    """The reopen with these calls in its last attempt."""
    if not calls:
        return reopen
    last = replace(reopen.attempts[-1], calls=(*reopen.attempts[-1].calls, *calls))
    return replace(reopen, attempts=(*reopen.attempts[:-1], last))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of reopens, newest first; `next_cursor` is None on the last."""

    reopens: tuple[Reopen, ...]
    next_cursor: str | None = None
