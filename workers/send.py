"""Intend, send, classify: the one call that must not happen twice (rules 7, 8, 9 of docs/protocol.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from service.domain.errors import AccountRefused, NotAsked, NotConfirmed, ReadFailed
from service.domain.outcomes import (
    Done,
    Misplaced,
    NotSent,
    Refused,
    Throttled,
    Unauthorized,
    Unknown,
    Withheld,
)
from service.domain.ports import Sending, Write
from service.domain.reopens import AttemptOutcome, Status
from service.domain.threads import (
    Claim,
    Effect,
    Intent,
    with_claim,
    with_contact,
    with_intent,
    without_intent,
)

if TYPE_CHECKING:
    from service.domain.cases import Look, View
    from service.domain.outcomes import Outcome
    from workers.head import Ended, Head

ENDS_BY_MARGIN_MS = 1_000
UNCONFIRMED_MS = 5_000
"""Where Redis does not confirm an intent as far as the settings ask, its reopen waits for so long."""


async def send(head: Head, look: Look, case_id: int | None) -> Ended | None:
    head.begin()
    now_ms = head.now_ms()
    intent = _intent(head, look, case_id, now_ms)
    sending = Sending(
        reopen=head.reopen,
        thread_id=head.thread.id,
        contact_id=head.contact_id(),
        session_id=head.thread.session_id,
        case_id=case_id,
        token=intent.token,
    )
    head.thread = with_intent(head.thread, intent)
    writes = Write(head.reopen), *head.take_more_writes()
    try:
        head.lease = await head.tools.ledger.save(head.lease, head.thread, *writes, durably=True)
    except NotConfirmed as unconfirmed:
        # What may be forgotten is not sent; that it was never meant is true again with the next write.
        return await _unsent(head, intent, Withheld(unconfirmed.slug, head.now_ms() + UNCONFIRMED_MS))
    lease, tools = head.lease, head.tools
    outcome = await tools.acquire.send(
        sending, may_send=lambda: lease.outlives(tools.policy.timeout_ms, tools.ticker)
    )
    return await _record(head, intent, look, outcome)


def _intent(head: Head, look: Look, case_id: int | None, now_ms: int) -> Intent:
    """The baseline is what this look showed; the call can only begin while the lease outlives it."""
    seen: frozenset[int]
    view: View | Literal["messages", "last_message"] | None
    if case_id is None:
        seen, view = frozenset(look.cases) | frozenset(head.thread.cases), look.view
    elif look.messages is None:
        seen, view = frozenset(), None
    else:
        seen = frozenset(message.id for message in look.messages.by_case.get(case_id, ()))
        view = "messages" if look.messages.complete else "last_message"
    return Intent(
        reopen_id=head.reopen.id,
        attempt=head.reopen.attempts[-1].number,
        kind="create" if case_id is None else "append",
        case_id=case_id,
        seen=seen,
        view=view,
        token=head.reopen.token,
        words=head.reopen.text,
        at_ms=now_ms,
        ends_by_ms=now_ms + head.lease.length_ms + ENDS_BY_MARGIN_MS,
    )


async def _record(head: Head, intent: Intent, look: Look, outcome: Outcome) -> Ended | None:
    """Classify by where it broke (rule 9). None: look before anything is concluded."""
    match outcome:
        case Done(case_id, thread_id) if _misplaced(head, intent, look, case_id, thread_id):
            return await _record(head, intent, look, Misplaced(case_id, thread_id, outcome.http_status))
        case Done(case_id, _, message_id, http_status):
            if message_id is None:
                head.thread = with_contact(head.thread, head.contact_id())
            effect = Effect("case", case_id) if message_id is None else Effect("message", message_id)
            return await _seen(head, intent, effect, case_id, http_status)
        case Misplaced(case_id, thread_id, http_status):
            head.count(sent=True)
            return await _seen(head, intent, Effect("elsewhere", case_id or 0), thread_id or 0, http_status)
        case Refused(http_status, words):
            head.thread = without_intent(head.thread, intent)
            head.end(AttemptOutcome.REFUSED, http_status, words)
            head.count(sent=True)
            if intent.case_id is None:
                return await head.finish(Status.DEAD, reason="refused", detail=words)
            head.refused_case_id = intent.case_id
            return None
        case Unauthorized() | Throttled() | Withheld():
            return await _unsent(head, intent, outcome)
        case NotSent(error):
            head.thread = without_intent(head.thread, intent)
            head.end(AttemptOutcome.NOT_SENT, None, error)
            return await head.retry_later("not_sent", error)
        case Unknown():
            return await _unknown(head, intent, outcome)


async def _unknown(head: Head, intent: Intent, outcome: Unknown) -> Ended | None:
    """Acquire may have acted: looks tell, or a person where the settings say so."""
    known_end = replace(intent, ends_by_ms=min(intent.ends_by_ms, head.now_ms()))
    head.thread = with_intent(head.thread, known_end)
    head.end(AttemptOutcome.UNKNOWN, outcome.http_status, outcome.error)
    head.count(sent=True)
    if head.tools.policy.hold_unknown:
        return await head.hold_unknown()
    head.reopen = replace(head.reopen, status=Status.CHECKING, reason="outcome_unknown")
    head.lease = await head.tools.ledger.save(head.lease, head.thread, Write(head.reopen))
    return None


async def _seen(head: Head, intent: Intent, effect: Effect, case_id: int, http_status: int) -> Ended:
    """What came of the call: noted also where the lease was lost meanwhile (rule 3)."""
    claim = Claim(head.reopen.id, intent.attempt, case_id)
    head.thread = with_claim(without_intent(head.thread, intent), effect, claim, head.now_ms())
    done = AttemptOutcome.REOPENED if effect.kind == "case" else AttemptOutcome.APPENDED
    observed = ((effect, claim),)
    return await head.succeed(effect, case_id, done, intent.attempt, http_status, observed=observed)


def _misplaced(head: Head, intent: Intent, look: Look, case_id: int, thread_id: int) -> bool:
    """A 2xx counts only for the thread asked for, with a case that is new (or the one appended to)."""
    if intent.case_id is not None:
        return case_id != intent.case_id
    return thread_id != head.thread.id or case_id in look.cases or case_id in head.thread.cases


async def _unsent(head: Head, intent: Intent, outcome: Unauthorized | Throttled | Withheld) -> Ended:
    """Acquire did not act and it is not this reopen's fault: as if the attempt had not begun."""
    head.thread = without_intent(head.thread, intent)
    head.reopen = replace(head.reopen, attempts=head.reopen.attempts[:-1])
    return await head.look_failed(_as_of_a_look(outcome))


def _as_of_a_look(outcome: Unauthorized | Throttled | Withheld) -> ReadFailed:
    match outcome:
        case Unauthorized(http_status, words):
            return AccountRefused(words, http_status=http_status)
        case Throttled(http_status, seconds):
            words = "Acquire asks to wait"
            return ReadFailed(words, http_status=http_status, retry_after_seconds=seconds or 1.0)
        case Withheld(why, until_ms):
            return NotAsked(why, until_ms)
