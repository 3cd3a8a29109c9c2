"""The use case: bring the head of a thread to its one effect, whatever dies in between.

    look      what does Acquire show?                        rule 4
    settle    what came of calls whose answer was lost?      rules 3, 5, 10, 16
    plan      append, reopen, wait, skip, or give up         rules 6, 11, 13
    intend    durable before the first byte leaves           rule 7
    send      and classify by where it broke                 rules 8, 9
    record    fenced; what was observed is kept in any case  rule 3

Everything it touches is a parameter. It never sleeps: what is to happen later is written down as due.
The rules are told in docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from service.domain.errors import ReadFailed
from service.domain.plan import (
    AdoptForgotten,
    Append,
    Create,
    Dead,
    Skip,
    Wait,
    next_step,
    perhaps_forgotten,
)
from service.domain.ports import Write
from service.domain.reopens import AttemptOutcome, Status, end_attempt, without_text
from service.domain.settle import LONGEST_VIEW_WAIT_MS, settle, with_forgotten_calls
from service.domain.threads import (
    Claim,
    Duplicate,
    Effect,
    Intent,
    with_claim,
    with_intents_taken_up,
    with_look,
    with_maybe_duplicate,
)
from workers.head import Ended, Head, Tools
from workers.look import ThreadElsewhere, take_look, with_messages
from workers.lookup import find_thread
from workers.recall import dropped_by, recall
from workers.send import send

if TYPE_CHECKING:
    from service.domain.cases import Look
    from service.domain.ports import Claimed
    from service.domain.settle import Settlement

__all__ = ["Tools", "work"]

MOST_ROUNDS = 4
"""Looks in one go: one before the call, one after a lost or refused answer, and room for a case closing."""
POISON_CLAIMS = 5


async def work(claimed: Claimed | None, tools: Tools, *, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Work the thread's heads one after another until none is due; returns how many were worked. Where it no
    longer `goes_on`, the head that follows is left to whoever releases the lease.

    Raises `Fenced` where the thread was lost to another worker, `LedgerUnavailable` where Redis is away:
    both leave everything to whoever claims the thread next.
    """
    worked = 0
    while claimed is not None and goes_on():
        claimed = await _run(Head(claimed, tools))
        worked += 1
    return worked


async def _run(head: Head) -> Claimed | None:
    head.tick()
    if head.reopen.claims >= POISON_CLAIMS:
        return (await head.hold("poison", "it ended its worker five times in a row")).following
    later = await head.tools.gate.admit(head.reopen, head.now_ms(), head.claimed.place)
    if later is not None:
        return (await head.snooze(later.until_ms, later.why)).following
    head.note_interruption()
    head.thread = with_intents_taken_up(head.thread, head.reopen.id)
    try:
        if head.reopen.thread_id is None:
            return await find_thread(head)
        for _ in range(MOST_ROUNDS):
            ended = await _round(head)
            if ended is not None:
                return ended.following
    except ThreadElsewhere as elsewhere:
        await head.tools.ledger.reroot(head.lease, elsewhere.root)
        return None
    except ReadFailed as failure:
        return (await head.look_failed(failure)).following
    return (await head.retry_later("unsteady", "the case kept opening and closing")).following


async def _round(head: Head) -> Ended | None:
    """Look, settle, plan, send. None: something was learnt, look again."""
    ended = await _apply(head, _settle(head, None))
    if ended is not None:
        return ended
    noted = head.thread.effect_of(head.reopen.id)
    if noted is not None:
        # Somebody saw what came of this reopen, though it lost its lease, or Redis the intent (rules 3, 13).
        effect, claim = noted
        return await head.succeed(effect, claim.case_id, AttemptOutcome.ADOPTED, claim.attempt)
    look = await take_look(
        head.tools.acquire,
        head.thread,
        head.contact_id(),
        head.now_ms(),
        messages=head.needs_messages(),
    )
    settlement = _settle(head, look)
    head.thread = with_look(settlement.thread, look)
    ended = await _apply(head, replace(settlement, thread=head.thread))
    if ended is not None:
        return ended
    if settlement.look_again_ms is not None:
        return await _look_again(head, settlement.look_again_ms)
    return await _recall(head, look) or await _advance(head, look)


async def _recall(head: Head, look: Look) -> Ended | None:
    """What is done once more needs its words again, which were dropped when they were in Acquire."""
    first = await dropped_by(head)
    if first is None:
        return None
    text = await recall(head, look, first)
    if text is None:
        return await head.hold("words_not_shown", "Acquire does not show the words it was given")
    head.reopen = replace(head.reopen, text=text)
    return None


async def _advance(head: Head, look: Look) -> Ended | None:
    """Plan the next step for a thread in which nothing is unsettled, and take it."""
    forgot_ms = head.forgot_ms()
    step = next_step(head.reopen, head.thread, look, head.now_ms(), head.tools.policy, forgot_ms=forgot_ms)
    if forgot_ms and isinstance(step, Create | Append):
        _expect_forgotten(head, look, step, forgot_ms)
    head.reopen = replace(head.reopen, epoch=head.lease.epoch)
    match step:
        case AdoptForgotten(effect, case_id):
            head.begin()
            number = head.reopen.attempts[-1].number
            claim = Claim(head.reopen.id, number, case_id)
            head.thread = with_claim(head.thread, effect, claim, head.now_ms())
            return await head.succeed(effect, case_id, AttemptOutcome.ADOPTED, number)
        case Skip(reason, case_id):
            head.begin()
            head.end(AttemptOutcome.SKIPPED)
            return await head.finish(Status.SKIPPED, reason=reason, new_case_id=case_id)
        case Dead(reason, detail):
            return await head.finish(Status.DEAD, reason=reason, detail=detail)
        case Wait(until_ms):
            head.reopen = replace(head.reopen, waits=head.reopen.waits + 1)
            return await head.snooze(until_ms, "case_not_active")
        case Append(case) if case.id == head.refused_case_id:
            words = head.reopen.attempts[-1].error or ""
            return await head.finish(Status.DEAD, reason="refused", detail=words)
        case Append(case):
            if look.messages is None:
                look = await with_messages(head.tools.acquire, look, head.contact_id())
            return await send(head, look, case.id)
        case Create():
            return await send(head, look, None)


def _expect_forgotten(head: Head, look: Look, step: Create | Append, forgot_ms: int) -> None:
    """What shows of a call that Redis may have forgotten is a duplicate from now on, and what shows already,
    and is of another date, may be one.
    """
    case_id = step.case.id if isinstance(step, Append) else None
    thread = with_forgotten_calls(head.thread, head.reopen, look, forgot_ms, case_id)
    shown = perhaps_forgotten(head.reopen, thread, look, forgot_ms)
    if shown is not None:
        thread = with_maybe_duplicate(thread, shown, head.reopen.id, head.now_ms(), "maybe_forgotten")
    head.thread = thread


def _settle(head: Head, look: Look | None) -> Settlement:
    policy = head.tools.policy
    return settle(
        head.thread,
        look,
        head.now_ms(),
        settle_ms=policy.settle_ms,
        read_lag_ms=head.read_lag_ms,
        view_wait_ms=min(LONGEST_VIEW_WAIT_MS, int(policy.backoff_cap_seconds * 1000)),
    )


async def _apply(head: Head, settlement: Settlement) -> Ended | None:
    """Give each effect that showed to its reopen, and what cannot be told to a person."""
    head.thread = settlement.thread
    mine: tuple[Intent, Effect, int] | None = None
    for intent, adopted in settlement.adopted:
        if intent.reopen_id == head.reopen.id and mine is None:
            mine = (intent, adopted.effect, adopted.case_id)
        else:
            await _give(head, intent, adopted.effect, adopted.case_id)
    if mine is not None:
        intent, effect, case_id = mine
        return await head.succeed(effect, case_id, AttemptOutcome.ADOPTED, intent.attempt)
    for intent, unreadable in settlement.unreadable:
        if intent.reopen_id == head.reopen.id:
            return await head.hold("effect_unreadable", str(unreadable))
        await _hold_other(head, intent, str(unreadable))
    return None


async def _give(head: Head, intent: Intent, effect: Effect, case_id: int) -> None:
    """An effect of another reopen's call showed: that one's, or a duplicate if it has one (rule 16)."""
    owner = await head.tools.ledger.fetch(intent.reopen_id)
    if owner is None or owner.id == head.reopen.id or owner.new_case_id is not None:
        found = Duplicate(effect, intent.reopen_id, "acted_late", head.now_ms())
        head.thread = replace(head.thread, duplicates=(*head.thread.duplicates, found))
        return
    if effect.kind == "elsewhere":
        held = replace(
            end_attempt(owner, head.now_ms(), AttemptOutcome.UNKNOWN, number=intent.attempt),
            status=Status.HELD,
            reason="acted_elsewhere",
            next_ms=None,
        )
        head.more_writes.append(Write(held, expect=owner.status))
        return
    ended = replace(
        end_attempt(owner, head.now_ms(), AttemptOutcome.ADOPTED, number=intent.attempt),
        status=Status.REOPENED if effect.kind == "case" else Status.APPENDED,
        new_case_id=case_id,
        reason=None,
        detail=None,
        next_ms=None,
    )
    kept = ended if head.tools.policy.keep_text else without_text(ended)
    head.more_writes.append(Write(kept, expect=owner.status))


async def _hold_other(head: Head, intent: Intent, detail: str) -> None:
    owner = await head.tools.ledger.fetch(intent.reopen_id)
    if owner is not None and owner.status in {Status.CHECKING, Status.RETRYING, Status.QUEUED}:
        held = replace(owner, status=Status.HELD, reason="effect_unreadable", detail=detail, next_ms=None)
        head.more_writes.append(Write(held, expect=owner.status))


async def _look_again(head: Head, at_ms: int) -> Ended:
    """Something sent is not settled: the thread waits for the next look, at no cost."""
    unsettled = head.thread.unsettled
    own = [intent for intent in unsettled if intent.reopen_id == head.reopen.id]
    if head.tools.policy.hold_unknown and any(intent.state == "open" for intent in own):
        return await head.hold_unknown()
    status = Status.CHECKING if own else Status.RETRYING
    reason = "outcome_unknown" if own else "thread_unsettled"
    return await head.due(status, at_ms, reason)
