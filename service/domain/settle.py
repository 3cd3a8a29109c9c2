"""What came of a call whose answer was lost? (rules 5 and 10 of docs/protocol.md)

Pure: from an intent, what is known of its thread and one look, to a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from service.domain.cases import Look
from service.domain.news import doubtful, fresh, messages_of
from service.domain.reopens import Reopen
from service.domain.text import carries, resembles
from service.domain.threads import (
    Claim,
    Effect,
    Intent,
    Thread,
    with_claim,
    with_duplicate,
    with_intent,
    with_maybe_duplicate,
    without_intent,
)

READ_LAGS = 3
"""Absence is believed only after this many times the worst read lag that was measured."""
VIEW_WAIT_SHARE = 4
"""While the baseline's view is away, each wait is a quarter of the time waited so far: where single reads
fail, doubling it would make minutes of a few bad looks in a row.
"""
LONGEST_VIEW_WAIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Adopted:
    """The effect is there, and it is ours; `others` are further ones of the same call."""

    effect: Effect
    case_id: int
    others: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """Looks have shown for long enough that nothing came of it: sending again is permitted."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Not decided yet. `counts`: this look showed nothing new and was late enough to count as empty."""

    look_again_ms: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something new is there whose words Acquire does not show, or whose date is in doubt, or the view is
    missing: a person must say.
    """

    effects: tuple[Effect, ...]

    def __str__(self) -> str:
        if not self.effects:
            return "Acquire does not show what came of the call"
        shown = ", ".join(f"{effect.kind} {effect.id}" for effect in self.effects)
        return f"perhaps what came of the call: {shown}"


Verdict: TypeAlias = Adopted | Absent | Undecided | Unreadable


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one look settled. `look_again_ms` is None when no intent keeps the thread waiting any more."""

    thread: Thread
    adopted: tuple[tuple[Intent, Adopted], ...]
    unreadable: tuple[tuple[Intent, Unreadable], ...]
    look_again_ms: int | None


def settle(
    thread: Thread,
    look: Look | None,
    now_ms: int,
    *,
    settle_ms: int,
    read_lag_ms: int = 0,
    view_wait_ms: int = LONGEST_VIEW_WAIT_MS,
) -> Settlement:
    """Examine every intent of the thread, those that keep it waiting first. Without a look (Acquire need
    not be asked, or cannot be) only what was observed decides.
    """
    adopted: list[tuple[Intent, Adopted]] = []
    unreadable: list[tuple[Intent, Unreadable]] = []
    look_again: list[int] = []
    for intent in sorted(thread.intents, key=lambda intent: (intent.watched, intent.at_ms)):
        verdict = observed(intent, thread) or (
            look
            and examine(
                intent,
                thread,
                look,
                now_ms,
                settle_ms=settle_ms,
                read_lag_ms=read_lag_ms,
                view_wait_ms=view_wait_ms,
            )
        )
        match verdict:
            case Adopted():
                thread = _with_adopted(thread, intent, verdict, now_ms)
                adopted.append((intent, verdict))
            case Absent() if not intent.watched:
                thread = with_intent(thread, replace(intent, state="absent"))
            case Unreadable() if not intent.watched:
                thread = with_intent(thread, replace(intent, state="held"))
                unreadable.append((intent, verdict))
            case Unreadable((effect, *_)) if intent.state == "absent" and not thread.unsettled:
                thread = with_maybe_duplicate(thread, effect, intent.reopen_id, now_ms, "maybe_acted_late")
            case Undecided(look_again_ms, counts) if not intent.watched:
                look_again.append(look_again_ms)
                if counts:
                    thread = with_intent(thread, replace(intent, empty_looks=intent.empty_looks + 1))
            case None if not intent.watched:
                look_again.append(now_ms)
    return Settlement(thread, tuple(adopted), tuple(unreadable), min(look_again, default=None))


def _with_adopted(thread: Thread, intent: Intent, found: Adopted, now_ms: int) -> Thread:
    claim = Claim(intent.reopen_id, intent.attempt, found.case_id)
    after = with_claim(without_intent(thread, intent), found.effect, claim, now_ms)
    if thread.effect_of(intent.reopen_id) is not None:
        # A second effect of that reopen: what follows goes on in the case of the first (rule 6).
        after = replace(after, last_made=thread.last_made)
    for other in found.others:
        after = with_duplicate(after, other, claim, "acted_twice", now_ms)
    return after


def with_forgotten_calls(
    thread: Thread, reopen: Reopen, look: Look, forgot_ms: int, case_id: int | None
) -> Thread:
    """Redis may have forgotten a call for this reopen on which Acquire acts yet: what shows of one is its
    second effect, and is looked for as that from now on (rules 13, 16).
    """
    create = Intent(
        reopen_id=reopen.id,
        attempt=0,
        kind="create",
        seen=frozenset(look.cases) | frozenset(thread.cases),
        view=look.view,
        token=reopen.token,
        words=reopen.text,
        at_ms=forgot_ms,
        ends_by_ms=forgot_ms,
        state="absent",
    )
    thread = with_intent(thread, create)
    if case_id is None or look.messages is None:
        return thread
    seen = frozenset(message.id for message in messages_of(case_id, look))
    view: Literal["messages", "last_message"] = "messages" if look.messages.complete else "last_message"
    append = replace(create, kind="append", case_id=case_id, seen=seen, view=view, at_ms=forgot_ms + 1)
    return with_intent(thread, append)


def observed(intent: Intent, thread: Thread) -> Adopted | None:
    """What was noted of the intent's effect, by whoever saw it (rule 3)."""
    for effect, claim in thread.claims.items():
        if claim.reopen_id == intent.reopen_id and claim.attempt == intent.attempt:
            return Adopted(effect, claim.case_id)
    return None


def examine(
    intent: Intent,
    thread: Thread,
    look: Look,
    now_ms: int,
    *,
    settle_ms: int,
    read_lag_ms: int = 0,
    view_wait_ms: int = LONGEST_VIEW_WAIT_MS,
) -> Verdict:
    """The verdict on one intent. `now_ms` is the time at which the look began, on Redis' clock.
    `view_wait_ms` is the longest time between looks that wait for the baseline's view.
    """
    news = fresh(intent, thread, look)
    ours = [effect for effect, marks, _ in news if intent.token in " ".join(marks)]
    if not ours and intent.words is not None:
        ours = [effect for effect, _, texts in news if any(carries(t, intent.words) for t in texts)]
    if ours:
        first, *others = sorted(ours, key=lambda effect: effect.id)
        return Adopted(first, first.id if first.kind == "case" else intent.case_id or 0, tuple(others))

    settle_ms = max(settle_ms, READ_LAGS * read_lag_ms)
    settled_at_ms = intent.ends_by_ms + settle_ms
    unreadable = (
        *(effect for effect, _, texts in news if not _readable(texts, intent.words)),
        *doubtful(intent, thread, look),
    )
    if not unreadable and _another_view(intent, look):
        patience_ms = min(view_wait_ms, max(0, now_ms - settled_at_ms) // VIEW_WAIT_SHARE)
        look_again_ms = _next_look_ms(intent, now_ms, settled_at_ms) + patience_ms
        return Undecided(look_again_ms, counts=False)
    if unreadable or not _comparable(intent, look):
        if now_ms < settled_at_ms:
            return Undecided(_next_look_ms(intent, now_ms, settled_at_ms), counts=False)
        return Unreadable(unreadable)
    if now_ms >= settled_at_ms and intent.empty_looks >= 1:
        return Absent()
    counts = now_ms >= intent.ends_by_ms
    return Undecided(_next_look_ms(intent, now_ms, settled_at_ms), counts=counts)


def _readable(texts: list[str], words: str | None) -> bool:
    """Whether the texts tell that it is somebody else's: they are shown, and are no part of ours."""
    return words is not None and bool(texts) and not any(resembles(text, words) for text in texts)


def _another_view(intent: Intent, look: Look) -> bool:
    """Whether a later look may well come in the baseline's view again: from this one nothing is concluded."""
    if intent.kind == "create":
        return intent.view is not None and not _covers(look, intent)
    if look.messages is None:
        return intent.view is not None
    return intent.view == "messages" and not look.messages.complete


def _comparable(intent: Intent, look: Look) -> bool:
    """Whether this look could have shown the effect: its view covers the baseline's (rule 4)."""
    if intent.kind == "create":
        return intent.view is not None and _covers(look, intent)
    if look.messages is None:
        return False
    shown = {message.id for message in messages_of(intent.case_id, look)}
    if intent.view == "messages":
        return look.messages.complete and intent.seen <= shown
    if intent.view == "last_message":
        same = shown <= intent.seen and bool(shown) == bool(intent.seen)
        return same or (look.messages.complete and intent.seen <= shown)
    return False


def _covers(look: Look, intent: Intent) -> bool:
    """The thread's own list holds what the contact's cases hold of it, and more; not the other way round."""
    return look.view == intent.view or (look.view == "thread" and intent.seen <= set(look.cases))


def _next_look_ms(intent: Intent, now_ms: int, settled_at_ms: int) -> int:
    """Soon at first, since most lost answers show at once; then at the times that can count as empty."""
    since_ms = max(0, now_ms - intent.at_ms)
    if now_ms < intent.ends_by_ms:
        return min(intent.ends_by_ms, now_ms + max(500, since_ms))
    if now_ms < settled_at_ms:
        return min(settled_at_ms, now_ms + max(1_000, (now_ms - intent.ends_by_ms)))
    return now_ms + 1_000
