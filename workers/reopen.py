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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from service.domain import backoff
from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import Done, Misplaced, NotSent, Refused, Throttled, Unauthorized, Unknown
from service.domain.plan import AdoptForgotten, Append, Create, Dead, Skip, Wait, next_step
from service.domain.ports import Claimed, Sending, Write
from service.domain.reopens import AttemptOutcome, Status, begin_attempt, end_attempt
from service.domain.settle import settle
from service.domain.threads import (
    Claim,
    Duplicate,
    Effect,
    Intent,
    with_claim,
    with_intent,
    with_look,
    without_intent,
)
from workers.look import LookLags, ThreadElsewhere, ThreadMissing, take_look, with_messages

if TYPE_CHECKING:
    from service.domain.cases import Look, View
    from service.domain.outcomes import Outcome
    from service.domain.ports import Acquire, Gate, Ledger, Observation, Ticker
    from service.domain.reopens import Policy
    from service.domain.settle import Settlement

MOST_ROUNDS = 4
"""Looks in one go: one before the call, one after a lost or refused answer, and room for a case closing."""
POISON_CLAIMS = 5
ACCOUNT_RECHECK_MS = 30_000
LONGEST_RETRY_AFTER_SECONDS = 3_600.0
ENDS_BY_MARGIN_MS = 1_000
FIRST_LOOK_LATER_SECONDS = 1.0
LONGEST_LOOK_LATER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What the use case works with."""

    ledger: Ledger
    acquire: Acquire
    gate: Gate
    ticker: Ticker
    rng: backoff.Random
    policy: Policy


async def work(claimed: Claimed | None, tools: Tools) -> int:
    """Work the thread's heads one after another until none is due; returns how many were worked.

    Raises `Fenced` where the thread was lost to another worker, `LedgerUnavailable` where Redis is away:
    both leave everything to whoever claims the thread next.
    """
    worked = 0
    while claimed is not None:
        claimed = await _Head(claimed, tools).run()
        worked += 1
    return worked


@dataclass(frozen=True, slots=True)
class _Ended:
    """The head has come to an end, for now or for good; `following` is the next head that is due."""

    following: Claimed | None


class _Head:
    """One head in work: what is known of it so far, and the steps that change that."""

    def __init__(self, claimed: Claimed, tools: Tools) -> None:
        self.tools = tools
        self.lease = claimed.lease
        self.reopen = claimed.reopen
        self.thread = claimed.thread
        self.read_lag_ms = claimed.read_lag_ms
        self.started_ms = self._now_ms()
        self.age_at_claim_ms = claimed.reopen.age_ms
        self.others: list[Write] = []
        self.refused_case_id: int | None = None

    async def run(self) -> Claimed | None:
        self._tick()
        if self.reopen.claims >= POISON_CLAIMS:
            return (await self._hold("poison", "it ended its worker five times in a row")).following
        blocked_until_ms = await self.tools.gate.admit()
        if blocked_until_ms is not None:
            return (await self._snooze(blocked_until_ms, "account_blocked")).following
        self._note_interruption()
        try:
            if self.reopen.thread_id is None:
                return await self._find_thread()
            for _ in range(MOST_ROUNDS):
                ended = await self._round()
                if ended is not None:
                    return ended.following
        except ThreadElsewhere as elsewhere:
            await self.tools.ledger.reroot(self.lease, elsewhere.root)
            return None
        except ReadFailed as failure:
            return (await self._look_failed(failure)).following
        return (await self._retry_later("unsteady", "the case kept opening and closing")).following

    async def _find_thread(self) -> Claimed | None:
        """The event told neither contact nor thread: the customer's address does, if it is one contact's."""
        acquire, email = self.tools.acquire, self.reopen.email or ""
        contacts = await acquire.find_contacts(email)
        if not contacts:
            return (await self._hold("contact_unknown", "no contact in Acquire has this address")).following
        if len(contacts) > 1:
            words = "these contacts have this address: " + ", ".join(map(str, contacts))
            return (await self._hold("contact_ambiguous", words)).following
        cases = await acquire.read_contact_cases(contacts[0])
        if not cases:
            words = f"contact {contacts[0]} has no case yet"
            return (await self._hold("thread_unknown", words)).following
        newest = max(cases, key=lambda case: case.id)
        await self.tools.ledger.place(self.lease, self.reopen, contacts[0], newest.thread_id)
        return None

    async def _round(self) -> _Ended | None:
        """Look, settle, plan, send. None: something was learnt, look again."""
        ended = await self._apply(self._settle(None))
        if ended is not None:
            return ended
        look = await take_look(
            self.tools.acquire,
            self.thread,
            self._contact_id(),
            self._now_ms(),
            messages=self._needs_messages(),
        )
        settlement = self._settle(look)
        self.thread = with_look(settlement.thread, look)
        ended = await self._apply(replace(settlement, thread=self.thread))
        if ended is not None:
            return ended
        if settlement.look_again_ms is not None:
            return await self._look_again(settlement.look_again_ms)
        return await self._advance(look)

    async def _advance(self, look: Look) -> _Ended | None:
        """Plan the next step for a thread in which nothing is unsettled, and take it."""
        step = next_step(
            self.reopen, self.thread, look, self._now_ms(), self.tools.policy, epoch=self.lease.epoch
        )
        match step:
            case AdoptForgotten(effect, case_id):
                self._begin()
                claim = Claim(self.reopen.id, self.reopen.attempts[-1].number, case_id)
                self.thread = with_claim(self.thread, effect, claim, self._now_ms())
                return await self._succeed(effect, case_id, AttemptOutcome.ADOPTED, None)
            case Skip(reason, case_id):
                self._begin()
                self._end(AttemptOutcome.SKIPPED)
                return await self._finish(Status.SKIPPED, reason=reason, new_case_id=case_id)
            case Dead(reason, detail):
                return await self._finish(Status.DEAD, reason=reason, detail=detail)
            case Wait(until_ms):
                self.reopen = replace(self.reopen, waits=self.reopen.waits + 1)
                return await self._snooze(until_ms, "case_not_active")
            case Append(case) if case.id == self.refused_case_id:
                words = self.reopen.attempts[-1].error or ""
                return await self._finish(Status.DEAD, reason="refused", detail=words)
            case Append(case):
                if look.messages is None:
                    look = await with_messages(self.tools.acquire, look, self._contact_id())
                return await self._send(look, case.id)
            case Create():
                return await self._send(look, None)

    # Settling: what came of calls whose answer was lost.

    def _settle(self, look: Look | None) -> Settlement:
        policy = self.tools.policy
        return settle(
            self.thread, look, self._now_ms(), settle_ms=policy.settle_ms, read_lag_ms=self.read_lag_ms
        )

    async def _apply(self, settlement: Settlement) -> _Ended | None:
        """Give each effect that showed to its reopen, and what cannot be told to a person."""
        self.thread = settlement.thread
        mine: tuple[Intent, Effect, int] | None = None
        for intent, adopted in settlement.adopted:
            if intent.reopen_id == self.reopen.id and mine is None:
                mine = (intent, adopted.effect, adopted.case_id)
            else:
                await self._give(intent, adopted.effect, adopted.case_id)
        if mine is not None:
            intent, effect, case_id = mine
            return await self._succeed(effect, case_id, AttemptOutcome.ADOPTED, intent.attempt)
        for intent in settlement.unreadable:
            if intent.reopen_id == self.reopen.id:
                return await self._hold("effect_unreadable", "Acquire shows something new, but not its words")
            await self._hold_other(intent)
        return None

    async def _give(self, intent: Intent, effect: Effect, case_id: int) -> None:
        """An effect of another reopen's call showed: that one's, or a duplicate if it has one (rule 16)."""
        owner = await self.tools.ledger.fetch(intent.reopen_id)
        if owner is None or owner.id == self.reopen.id or owner.new_case_id is not None:
            found = Duplicate(effect, intent.reopen_id, "acted_late", self._now_ms())
            self.thread = replace(self.thread, duplicates=(*self.thread.duplicates, found))
            return
        ended = replace(
            end_attempt(owner, self._now_ms(), AttemptOutcome.ADOPTED, number=intent.attempt),
            status=Status.REOPENED if effect.kind == "case" else Status.APPENDED,
            new_case_id=case_id,
            reason=None,
            detail=None,
            next_ms=None,
        )
        self.others.append(Write(ended, expect=owner.status))

    async def _hold_other(self, intent: Intent) -> None:
        owner = await self.tools.ledger.fetch(intent.reopen_id)
        if owner is not None and owner.status in {Status.CHECKING, Status.RETRYING, Status.QUEUED}:
            held = replace(owner, status=Status.HELD, reason="effect_unreadable", next_ms=None)
            self.others.append(Write(held, expect=owner.status))

    async def _look_again(self, at_ms: int) -> _Ended:
        """Something sent is not settled: the thread waits for the next look, at no cost."""
        unsettled = self.thread.unsettled
        own = [intent for intent in unsettled if intent.reopen_id == self.reopen.id]
        if own and self.tools.policy.hold_unknown:
            for intent in own:
                self.thread = with_intent(self.thread, replace(intent, watched=True))
            return await self._hold("outcome_unknown", "Acquire may or may not have acted on the call")
        status = Status.CHECKING if own else Status.RETRYING
        reason = "outcome_unknown" if own else "thread_unsettled"
        return await self._due(status, at_ms, reason)

    # Sending.

    async def _send(self, look: Look, case_id: int | None) -> _Ended | None:
        self._begin()
        now_ms = self._now_ms()
        intent = self._intent(look, case_id, now_ms)
        sending = Sending(
            reopen=self.reopen,
            thread_id=self.thread.id,
            contact_id=self._contact_id(),
            session_id=self.thread.session_id,
            case_id=case_id,
            token=intent.token,
        )
        self.thread = with_intent(self.thread, intent)
        self.lease = await self.tools.ledger.save(
            self.lease, self.thread, Write(self.reopen), *self._others()
        )
        lease, tools = self.lease, self.tools
        outcome = await tools.acquire.send(
            sending, may_send=lambda: lease.outlives(tools.policy.timeout_ms, tools.ticker)
        )
        return await self._record(intent, look, outcome)

    def _intent(self, look: Look, case_id: int | None, now_ms: int) -> Intent:
        """The baseline is what this look showed; the call can only begin while the lease outlives it."""
        seen: frozenset[int]
        view: View | Literal["messages", "last_message"] | None
        if case_id is None:
            seen, view = frozenset(look.cases) | frozenset(self.thread.cases), look.view
        elif look.messages is None:
            seen, view = frozenset(), None
        else:
            seen = frozenset(message.id for message in look.messages.by_case.get(case_id, ()))
            view = "messages" if look.messages.complete else "last_message"
        return Intent(
            reopen_id=self.reopen.id,
            attempt=self.reopen.attempts[-1].number,
            kind="create" if case_id is None else "append",
            case_id=case_id,
            seen=seen,
            view=view,
            token=self.reopen.token,
            words=self.reopen.text,
            at_ms=now_ms,
            ends_by_ms=now_ms + self.lease.length_ms + ENDS_BY_MARGIN_MS,
        )

    async def _record(self, intent: Intent, look: Look, outcome: Outcome) -> _Ended | None:
        """Classify by where it broke (rule 9). None: look before anything is concluded."""
        match outcome:
            case Done(case_id, thread_id) if self._misplaced(intent, look, case_id, thread_id):
                return await self._record(intent, look, Misplaced(case_id, thread_id, outcome.http_status))
            case Done(case_id, _, message_id, http_status):
                self.thread = without_intent(self.thread, intent)
                effect = Effect("case", case_id) if message_id is None else Effect("message", message_id)
                claim = Claim(self.reopen.id, intent.attempt, case_id)
                self.thread = with_claim(self.thread, effect, claim, self._now_ms())
                done = AttemptOutcome.REOPENED if message_id is None else AttemptOutcome.APPENDED
                return await self._succeed(
                    effect, case_id, done, intent.attempt, http_status, observed=((effect, claim),)
                )
            case Misplaced(case_id, thread_id, http_status):
                self.thread = without_intent(self.thread, intent)
                self._end(AttemptOutcome.UNKNOWN, http_status, "Acquire acted on something else")
                self._count(sent=True)
                return await self._hold("acted_elsewhere", f"case {case_id} of thread {thread_id}")
            case Refused(http_status, words):
                self.thread = without_intent(self.thread, intent)
                self._end(AttemptOutcome.REFUSED, http_status, words)
                self._count(sent=True)
                if intent.case_id is None:
                    return await self._finish(Status.DEAD, reason="refused", detail=words)
                self.refused_case_id = intent.case_id
                return None
            case Unauthorized(http_status, words):
                return await self._unsent(intent, AccountRefused(words, http_status=http_status))
            case Throttled(http_status, retry_after_seconds):
                return await self._unsent(
                    intent,
                    ReadFailed(
                        "Acquire asks to wait",
                        http_status=http_status,
                        retry_after_seconds=retry_after_seconds or 1.0,
                    ),
                )
            case NotSent(error):
                self.thread = without_intent(self.thread, intent)
                self._end(AttemptOutcome.NOT_SENT, None, error)
                return await self._retry_later("not_sent", error)
            case Unknown(error, http_status):
                now_ms = self._now_ms()
                known_end = replace(intent, ends_by_ms=min(intent.ends_by_ms, now_ms))
                self.thread = with_intent(self.thread, known_end)
                self._end(AttemptOutcome.UNKNOWN, http_status, error)
                self._count(sent=True)
                self.reopen = replace(self.reopen, status=Status.CHECKING, reason="outcome_unknown")
                self.lease = await self.tools.ledger.save(self.lease, self.thread, Write(self.reopen))
                return None

    def _misplaced(self, intent: Intent, look: Look, case_id: int, thread_id: int) -> bool:
        """A 2xx counts only for the thread asked for, with a case that is new (or the one appended to)."""
        if intent.case_id is not None:
            return case_id != intent.case_id
        return thread_id != self.thread.id or case_id in look.cases or case_id in self.thread.cases

    async def _unsent(self, intent: Intent, failure: ReadFailed) -> _Ended:
        """Acquire did not act and it is not this reopen's fault: as if the attempt had not begun."""
        self.thread = without_intent(self.thread, intent)
        self.reopen = replace(self.reopen, attempts=self.reopen.attempts[:-1])
        return await self._look_failed(failure)

    # Ends.

    async def _succeed(
        self,
        effect: Effect,
        case_id: int,
        outcome: AttemptOutcome,
        attempt: int | None,
        http_status: int | None = None,
        observed: tuple[Observation, ...] = (),
    ) -> _Ended:
        self._end(outcome, http_status, number=attempt)
        status = Status.REOPENED if effect.kind == "case" else Status.APPENDED
        return await self._finish(status, new_case_id=case_id, observed=observed)

    async def _finish(
        self,
        status: Status,
        *,
        reason: str | None = None,
        detail: str | None = None,
        new_case_id: int | None = None,
        next_ms: int | None = None,
        observed: tuple[Observation, ...] = (),
    ) -> _Ended:
        now_ms = self._now_ms()
        self.reopen = replace(
            self.reopen,
            status=status,
            reason=reason,
            detail=detail,
            new_case_id=new_case_id,
            next_ms=next_ms,
            updated_ms=now_ms,
            claims=0,
            epoch=self.lease.epoch,
        )
        writes = (Write(self.reopen), *self._others())
        return _Ended(await self.tools.ledger.finish(self.lease, self.thread, *writes, observed=observed))

    async def _hold(self, reason: str, detail: str) -> _Ended:
        for intent in self.thread.unsettled:
            if intent.reopen_id == self.reopen.id:
                self.thread = with_intent(self.thread, replace(intent, watched=True))
        return await self._finish(Status.HELD, reason=reason, detail=detail)

    async def _due(self, status: Status, at_ms: int, reason: str, detail: str | None = None) -> _Ended:
        now_ms = self._now_ms()
        aged_ms = self.reopen.age_ms + (now_ms - self.started_ms)
        self.reopen = replace(self.reopen, age_ms=aged_ms, ticking_since_ms=now_ms)
        return await self._finish(status, reason=reason, detail=detail, next_ms=at_ms)

    async def _retry_later(self, reason: str, detail: str, floor_seconds: float = 0.0) -> _Ended:
        policy = self.tools.policy
        self._count(sent=False)
        wait_seconds = backoff.delay_seconds(
            self.reopen.spent,
            self.tools.rng,
            base_seconds=policy.backoff_base_seconds,
            cap_seconds=policy.backoff_cap_seconds,
            floor_seconds=floor_seconds,
        )
        return await self._due(
            self._waiting_status(), self._now_ms() + int(wait_seconds * 1000), reason, detail
        )

    async def _snooze(self, until_ms: int, reason: str) -> _Ended:
        """Not this reopen's fault: no attempt is spent and its age stands still."""
        self.reopen = replace(self.reopen, age_ms=self.age_at_claim_ms, ticking_since_ms=0)
        return await self._finish(self._waiting_status(), reason=reason, next_ms=until_ms)

    async def _look_failed(self, failure: ReadFailed) -> _Ended:
        """Acquire could not be read: nothing is concluded, and nothing is sent."""
        ledger, now_ms = self.tools.ledger, self._now_ms()
        match failure:
            case AccountRefused():
                until_ms = now_ms + ACCOUNT_RECHECK_MS
                await ledger.stop_account(failure.slug, until_ms, str(failure))
                return await self._snooze(until_ms, failure.slug)
            case ReadFailed(retry_after_seconds=float(seconds)):
                until_ms = now_ms + int(min(seconds, LONGEST_RETRY_AFTER_SECONDS) * 1000)
                await ledger.stop_account("throttled", until_ms, str(failure))
                return await self._snooze(until_ms, "throttled")
            case ThreadMissing():
                return await self._hold(failure.slug, str(failure))
            case LookLags():
                await self._note_read_lag(failure)
        if self._waiting_status() is Status.CHECKING:
            return await self._look_later(failure)
        self._begin()
        self._end(AttemptOutcome.NOT_SENT, failure.http_status, str(failure))
        return await self._retry_later(failure.slug, str(failure))

    async def _look_later(self, failure: ReadFailed) -> _Ended:
        """Unknown stays unknown while Acquire cannot be read, at no cost and for as long as it takes."""
        self.reopen = replace(self.reopen, waits=self.reopen.waits + 1)
        wait_seconds = backoff.ceiling_seconds(
            self.reopen.waits, base_seconds=FIRST_LOOK_LATER_SECONDS, cap_seconds=LONGEST_LOOK_LATER_SECONDS
        )
        at_ms = self._now_ms() + int(wait_seconds * 1000)
        return await self._due(Status.CHECKING, at_ms, "outcome_unknown", str(failure))

    async def _note_read_lag(self, lag: LookLags) -> None:
        seen_ms = [
            self.thread.cases[case_id].seen_ms for case_id in lag.missing if case_id in self.thread.cases
        ]
        if seen_ms:
            await self.tools.ledger.note_read_lag(self._now_ms() - max(seen_ms))

    # What is known of the head.

    def _now_ms(self) -> int:
        return self.lease.now_ms(self.tools.ticker)

    def _contact_id(self) -> int:
        return self.reopen.contact_id or self.thread.contact_id or 0

    def _waiting_status(self) -> Status:
        own = any(intent.reopen_id == self.reopen.id for intent in self.thread.unsettled)
        return Status.CHECKING if own else Status.RETRYING

    def _needs_messages(self) -> bool:
        """Where an append is unsettled, or Redis may have forgotten one, messages tell."""
        forgot = self.reopen.epoch != self.lease.epoch
        return forgot or any(intent.kind == "append" for intent in self.thread.intents)

    def _others(self) -> tuple[Write, ...]:
        others, self.others = tuple(self.others), []
        return others

    def _tick(self) -> None:
        since_ms = self.reopen.ticking_since_ms
        if since_ms:
            self.reopen = replace(self.reopen, age_ms=self.reopen.age_ms + max(0, self.started_ms - since_ms))

    def _note_interruption(self) -> None:
        """An attempt that never ended: whoever made it died. That is not an attempt spent."""
        if self.reopen.attempts and self.reopen.attempts[-1].ended_ms is None:
            self._end(AttemptOutcome.INTERRUPTED, None, "the worker went away")

    def _begin(self) -> None:
        self.reopen = begin_attempt(replace(self.reopen, waits=0), self.started_ms)

    def _end(
        self,
        outcome: AttemptOutcome,
        http_status: int | None = None,
        error: str | None = None,
        *,
        number: int | None = None,
    ) -> None:
        ended = end_attempt(
            self.reopen, self._now_ms(), outcome, http_status=http_status, error=error, number=number
        )
        calls = self.tools.acquire.calls()
        last = replace(ended.attempts[-1], calls=(*ended.attempts[-1].calls, *calls))
        self.reopen = replace(ended, attempts=(*ended.attempts[:-1], last))

    def _count(self, *, sent: bool) -> None:
        """Spend the attempt; `sent` ones reached Acquire."""
        self.reopen = replace(
            self.reopen, spent=self.reopen.spent + 1, sent=self.reopen.sent + (1 if sent else 0)
        )
