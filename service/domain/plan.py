"""What to do next for a thread's head, when nothing is unsettled (rules 6, 11, 13 of docs/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from service.domain.cases import Case, Look
from service.domain.reopens import Policy, Reopen
from service.domain.text import carries
from service.domain.threads import Effect, Thread

FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 60_000
CLOCK_MARGIN_MS = 300_000
"""How far Acquire's dates may be off ours when what Redis forgot is looked for."""


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


def next_step(reopen: Reopen, thread: Thread, look: Look, now_ms: int, policy: Policy, *, epoch: str) -> Step:
    """The next step, from what is known alone. Never called while an intent of the thread is unsettled."""
    if reopen.epoch != epoch:
        forgotten = _forgotten(reopen, thread, look)
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
        wait_ms = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(reopen.waits, 10))
        return Wait(now_ms + wait_ms, case.id)
    return Append(case)


def target(thread: Thread, look: Look) -> Case | None:
    """The open case that gets the message: the one we made last where it is open, else the newest."""
    open_cases = look.open_cases
    for case in open_cases:
        if case.id == thread.last_made:
            return case
    return open_cases[-1] if open_cases else None


def _forgotten(reopen: Reopen, thread: Thread, look: Look) -> AdoptForgotten | None:
    """An unclaimed case or message with the customer's words, made since the admission (rule 13)."""
    if not reopen.text:
        return None
    since_ms = reopen.created_ms - CLOCK_MARGIN_MS
    for case in sorted(look.cases.values(), key=lambda case: case.id):
        effect = Effect("case", case.id)
        if case.id == look.root_id or thread.owner(effect) or case.id in thread.cases or not case.text:
            continue
        if (case.created_ms is None or case.created_ms >= since_ms) and carries(case.text, reopen.text):
            return AdoptForgotten(effect, case.id)
    shown = look.messages.by_case.items() if look.messages else ()
    for case_id, messages in shown:
        for message in messages:
            effect = Effect("message", message.id)
            if thread.owner(effect) or not message.text or message.created_ms is None:
                continue
            if message.created_ms >= since_ms and carries(message.text, reopen.text):
                return AdoptForgotten(effect, case_id)
    return None
