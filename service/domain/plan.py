"""What to do next for a thread's head, when nothing is unsettled (rules 6, 11, 13 of docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.cases import CLOCK_MARGIN_MS, WRONG_CLOCK_MS, Case, Look, Message
from service.domain.reopens import Policy, Reopen
from service.domain.text import carries
from service.domain.threads import Effect, Thread

FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 60_000
PATIENT_WAITS, PATIENT_WAIT_MS = 60, 300_000
"""A case that is queued over a weekend is asked for less often after an hour: there may be many."""
RESENT_MS = 600_000
"""How long after Redis forgot an event it may be admitted anew: helpdesks resend what was not answered."""


@dataclass(frozen=True, slots=True)
class Create:
    """No case of the thread is open: reopen it."""


@dataclass(frozen=True, slots=True)
class Append:
    """A case is open and takes messages."""

    case: Case


@dataclass(frozen=True, slots=True)
class Wait:
    """The open case is not active yet: tried again later, at no cost."""

    until_ms: int
    case_id: int


@dataclass(frozen=True, slots=True)
class Skip:
    reason: str
    case_id: int


@dataclass(frozen=True, slots=True)
class Dead:
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AdoptForgotten:
    """Redis forgot what we did: the customer's words are there already, and nobody claims them."""

    effect: Effect
    case_id: int


Step: TypeAlias = Create | Append | Wait | Skip | Dead | AdoptForgotten


def next_step(
    reopen: Reopen, thread: Thread, look: Look, now_ms: int, policy: Policy, *, forgot_ms: int = 0
) -> Step:
    """The next step, from what is known alone. Never called while an intent of the thread is unsettled.

    `forgot_ms` is set where Redis may have forgotten what was done for this reopen up to that time.
    """
    if forgot_ms:
        forgotten = _forgotten(reopen, thread, look, forgot_ms, policy)
        if forgotten is not None:
            return forgotten
    case = target(thread, look)
    if case is not None:
        if not reopen.text:
            return Skip("nothing_to_append", case.id)
        if not policy.append_to_open_case:
            return Skip("case_open", case.id)
    if reopen.sent and reopen.spent >= policy.max_attempts:
        return Dead("attempts_exhausted", f"given up after {reopen.spent} attempts")
    if reopen.sent and reopen.age_ms >= policy.max_age_ms:
        return Dead("too_old", f"given up after {reopen.age_ms // 1000} seconds at the head of its thread")
    if case is None:
        return Create()
    if not case.takes_messages:
        longest_ms = LONGEST_WAIT_MS if reopen.waits < PATIENT_WAITS else PATIENT_WAIT_MS
        wait_ms = min(longest_ms, FIRST_WAIT_MS * 2 ** min(reopen.waits, 10))
        return Wait(now_ms + wait_ms, case.id)
    return Append(case)


def target(thread: Thread, look: Look) -> Case | None:
    """The open case that gets the message: the one we made last where it is open, else the newest."""
    open_cases = look.open_cases
    for case in open_cases:
        if case.id == thread.last_made:
            return case
    return open_cases[-1] if open_cases else None


def may_have_been_done(reopen: Reopen, forgot_ms: int, epoch: str) -> bool:
    """Whether something may have been done for it that Redis forgot: not looked for since Redis started anew,
    and admitted before that, or so soon after that its first admission may be forgotten as well.
    """
    return bool(forgot_ms) and reopen.epoch != epoch and reopen.created_ms <= forgot_ms + RESENT_MS


def _forgotten(
    reopen: Reopen, thread: Thread, look: Look, forgot_ms: int, policy: Policy
) -> AdoptForgotten | None:
    """An unclaimed case or message with the customer's words, made when it may have been ours (rule 13)."""
    since_ms = min(reopen.created_ms, forgot_ms) - CLOCK_MARGIN_MS
    until_ms = forgot_ms + policy.timeout_ms + policy.settle_ms + CLOCK_MARGIN_MS
    for effect, case_id, created_ms in _with_its_words(reopen, thread, look):
        if created_ms is not None and since_ms <= created_ms <= until_ms:
            return AdoptForgotten(effect, case_id)
    return None


def perhaps_forgotten(reopen: Reopen, thread: Thread, look: Look, forgot_ms: int) -> Effect | None:
    """The same, made within a day of that by its date, or of no date: ours if a clock is wrong by hours."""
    for effect, _, created_ms in _with_its_words(reopen, thread, look):
        if created_ms is None or abs(created_ms - forgot_ms) <= WRONG_CLOCK_MS:
            return effect
    return None


def _with_its_words(reopen: Reopen, thread: Thread, look: Look) -> Iterator[tuple[Effect, int, int | None]]:
    """Cases and messages that carry the customer's words and are claimed by nobody: what it is, its case, and
    when it was made.
    """
    for case in sorted(look.cases.values(), key=lambda case: case.id):
        messages = look.messages.by_case.get(case.id, ()) if look.messages else ()
        shown = [
            (Effect("message", message.id), message.text, message.created_ms)
            for message in sorted(messages, key=lambda message: message.id)
            if not _opened(case, message, messages)
        ]
        if case.id != look.root_id:
            shown.insert(0, (Effect("case", case.id), case.text, case.created_ms))
        for effect, text, created_ms in shown:
            if reopen.text and text and thread.owner(effect) is None and carries(text, reopen.text):
                yield effect, case.id, created_ms


def _opened(case: Case, message: Message, messages: Sequence[Message]) -> bool:
    """Whether a message is the case's own first words rather than something that was appended."""
    first = message.id == min(other.id for other in messages)
    return first and bool(case.text and message.text) and carries(message.text or "", case.text or "")
