"""When to leave Acquire alone for a while: a circuit breaker, decided from counts of calls and nothing else.

    closed ──▶ open         too many calls in a row failed, or too large a share of the latest
    open ──▶ half_open      its pause is over: one call at a time may try
    half_open ──▶ closed    that call was answered
    half_open ──▶ open      it failed: the pause doubles

A refused key opens it as well, at the first refusal; a `Retry-After` is a pause without probes after it. Only
failures of Acquire or of the way to it count: an answer that says no to one customer is an answer.

After any pause calls come back at a pace that doubles each second while most are answered, until it is none.
All that waited, set free at once, would be the next outage of an Acquire that has just come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from service.domain.backoff import ceiling_seconds

FAILING = "acquire_failing"
FAILURES_IN_A_ROW = 8
ROWS_BY_CHANCE = 0.001
"""An Acquire that is merely unsteady is worked with: only a row that so few windows would see by chance is an
outage. Where three of ten fail, among 500 calls a second, eight in a row come every half minute."""
FEWEST_CALLS = 30
FAILED_SHARE = 0.6
"""Where three calls in ten fail by chance, eighteen or more of thirty fail once in 1,600 times."""
WINDOW_SECONDS = 10
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
STEADY_MS = 60_000
"""Closed for so long, it is taken for mended: the next pause is a first one again."""
CLOCKS_APART_MS = 1_000
"""So much the clock of another machine may be behind, and Redis' own was not set back."""

FIRST_PACE = 8.0
"""Calls a second after a pause: a few looks, and as many calls as show whether Acquire is well."""
LAST_PACE = 512.0
PACE_MS = 1_000
UNWELL_SHARE = 0.45
"""While so many fail the pace stays: more than where three in ten fail by chance, fewer than open it."""

State: TypeAlias = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """The account's breaker as everybody sees it; times in Redis' unix milliseconds.

    `why` is the slug of what it was opened for, "" where it is closed. `probes`: when the pause is over, one
    call at a time tries, until one is answered. `opened` counts openings that were not far apart. `pace` is
    how many calls a second the account makes at most, since `paced_ms`; 0 is no limit but the rate limit.
    """

    why: str = ""
    until_ms: int = 0
    probes: bool = False
    opened: int = 0
    changed_ms: int = 0
    pace: float = 0.0
    paced_ms: int = 0

    def state(self, now_ms: int) -> State:
        if not self.why:
            return "closed"
        if now_ms < self.until_ms:
            return "open"
        return "half_open" if self.probes else "closed"


@dataclass(frozen=True, slots=True)
class Calls:
    """How calls of the whole account ended. `answered` and `failed` are those reported now, `row` counts
    failures since the last answer, the others are sums over the latest `WINDOW_SECONDS`. A call that failed
    is among them only if it began after the breaker last changed.
    """

    answered: int
    failed: int
    row: int
    lately_answered: int
    lately_failed: int


def with_clock_set_back(breaker: Breaker, now_ms: int) -> Breaker:
    """The breaker where Redis' clock went back to before it was changed: its pause lasts as long as it was to
    last, from now on, not until the clock has caught up. A clock of another machine may be behind a little.
    """
    if not now_ms + CLOCKS_APART_MS < breaker.changed_ms < breaker.until_ms:
        return breaker
    return replace(breaker, until_ms=now_ms + breaker.until_ms - breaker.changed_ms)


def after_calls(breaker: Breaker, calls: Calls, now_ms: int) -> Breaker:
    """The breaker after these calls; the same one where nothing changes."""
    match breaker.state(now_ms):
        case "closed" if _too_many_failed(calls):
            return _opened(breaker, now_ms, now_ms)
        case "half_open" if calls.answered:
            return Breaker(opened=breaker.opened, changed_ms=now_ms, pace=FIRST_PACE, paced_ms=now_ms)
        case "half_open" if calls.failed:
            return _opened(breaker, breaker.until_ms, now_ms)
        case "closed" if breaker.pace and _is_well(breaker, calls, now_ms):
            faster = 2 * breaker.pace
            return replace(breaker, pace=faster if faster <= LAST_PACE else 0.0, paced_ms=now_ms)
        case _:
            return breaker


def _too_many_failed(calls: Calls) -> bool:
    lately = calls.lately_answered + calls.lately_failed
    if lately >= FEWEST_CALLS and calls.lately_failed >= FAILED_SHARE * lately:
        return True
    return calls.row >= FAILURES_IN_A_ROW and _rows_by_chance(calls) < ROWS_BY_CHANCE


def _rows_by_chance(calls: Calls) -> float:
    """How many such rows a window would bring if calls failed as often as those before this row did."""
    before = calls.lately_answered + calls.lately_failed - calls.row
    if before < FEWEST_CALLS:
        return 0.0
    return before * ((calls.lately_failed - calls.row) / before) ** calls.row


def _is_well(breaker: Breaker, calls: Calls, now_ms: int) -> bool:
    """Whether calls were made at this pace for long enough (where the clock went back since, nobody knows for
    how long, and the next step tells), and most of the latest were answered.
    """
    lately = calls.lately_answered + calls.lately_failed
    since_ms = now_ms - max(breaker.paced_ms, breaker.until_ms)
    return not 0 <= since_ms < PACE_MS and calls.lately_failed < UNWELL_SHARE * lately


def _opened(breaker: Breaker, since_ms: int, now_ms: int) -> Breaker:
    """The pause counts from when the probe went out: one that hung was a pause as well."""
    mended = not breaker.why and now_ms - breaker.changed_ms >= STEADY_MS
    opened = 1 if mended else breaker.opened + 1
    pause_seconds = ceiling_seconds(
        opened, base_seconds=FIRST_PAUSE_SECONDS, cap_seconds=LONGEST_PAUSE_SECONDS
    )
    until_ms = max(since_ms + int(pause_seconds * 1000), now_ms + int(FIRST_PAUSE_SECONDS * 1000))
    return Breaker(FAILING, until_ms, True, opened, now_ms, FIRST_PACE, now_ms)
