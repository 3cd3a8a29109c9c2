"""One head in work: what is known of it so far, and the ways it can end, for now or for good.

Every end is one fenced write to the ledger, which answers with the thread's next head where one is due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.domain import backoff
from service.domain.errors import AccountRefused, NotAsked, ReadFailed
from service.domain.plan import may_have_been_done
from service.domain.ports import Claimed, Write
from service.domain.reopens import (
    IN_ACQUIRE,
    AttemptOutcome,
    Status,
    begin_attempt,
    end_attempt,
    with_calls,
    without_text,
)
from service.domain.threads import Effect, with_clock_set_back, with_intents_held
from workers.look import LookLags, ThreadMissing

if TYPE_CHECKING:
    from service.domain.ports import Acquire, Gate, Ledger, Observation, Ticker
    from service.domain.reopens import Attempt, Policy, Reopen

ACCOUNT_RECHECK_MS = 10_000
FIRST_LOOK_LATER_SECONDS = 1.0
LONGEST_LOOK_LATER_SECONDS = 60.0
LONGEST_READ_LAG_MS = 300_000
"""What was seen longer ago than that and is missing now is no lag, or a clock has jumped."""


def _unheeded(*_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What the use case works with."""

    ledger: Ledger
    acquire: Acquire
    gate: Gate
    ticker: Ticker
    rng: backoff.Random
    policy: Policy
    on_attempt: Callable[[AttemptOutcome], None] = _unheeded
    """Told how each attempt ended, once more where it is adopted afterwards."""
    on_ended: Callable[[Reopen, Collection[Attempt]], None] = _unheeded
    """Told of each head as it is written when it has come to an end, for now or for good, and of those of its
    attempts that ended meanwhile.
    """


@dataclass(frozen=True, slots=True)
class Ended:
    """The head has come to an end, for now or for good; `following` is the next head that is due."""

    following: Claimed | None


class Head:
    """What is known of a thread's head while it is worked, and how that ends."""

    def __init__(self, claimed: Claimed, tools: Tools) -> None:
        self.tools = tools
        self.claimed = claimed
        self.lease = claimed.lease
        self.reopen = claimed.reopen
        self.started_ms = self.now_ms()
        self.thread = with_clock_set_back(claimed.thread, self.started_ms)
        self.read_lag_ms = claimed.read_lag_ms
        self.age_at_claim_ms = claimed.reopen.age_ms
        self.more_writes: list[Write] = []
        self.refused_case_id: int | None = None
        self.ended: dict[int, Attempt] = {}
        self.begins_ms = self.started_ms
        """When the next attempt begins: with the look before it, where the one before ended."""

    async def succeed(
        self,
        effect: Effect,
        case_id: int,
        outcome: AttemptOutcome,
        attempt: int | None,
        http_status: int | None = None,
        observed: tuple[Observation, ...] = (),
    ) -> Ended:
        """`attempt` made the effect; one that Redis forgot is made good (rule 13). An effect elsewhere is no
        success, but known as well: a person has to look at it.
        """
        if all(known.number != attempt for known in self.reopen.attempts):
            self.begin()
            attempt = None
        if effect.kind == "elsewhere":
            self.end(AttemptOutcome.UNKNOWN, http_status, "Acquire acted on something else", number=attempt)
            case = f"case {effect.id}" if effect.id else "a case"
            thread = f"thread {case_id}" if case_id else "an unnamed thread"
            words = f"{case} of {thread}"
            return await self.hold("acted_elsewhere", words, observed=observed)
        self.end(outcome, http_status, number=attempt)
        status = Status.REOPENED if effect.kind == "case" else Status.APPENDED
        return await self.finish(status, new_case_id=case_id, observed=observed)

    async def finish(
        self,
        status: Status,
        *,
        reason: str | None = None,
        detail: str | None = None,
        new_case_id: int | None = None,
        next_ms: int | None = None,
        observed: tuple[Observation, ...] = (),
    ) -> Ended:
        now_ms = self.now_ms()
        if status in IN_ACQUIRE and not self.tools.policy.keep_text:
            self.reopen = without_text(self.reopen)
        self.reopen = replace(
            self.reopen,
            status=status,
            reason=reason,
            detail=detail,
            new_case_id=new_case_id,
            next_ms=next_ms,
            updated_ms=now_ms,
            claims=0,
        )
        self.tools.on_ended(self.reopen, self.ended.values())
        writes = (Write(self.reopen), *self.take_more_writes())
        return Ended(await self.tools.ledger.finish(self.lease, self.thread, *writes, observed=observed))

    async def hold(self, reason: str, detail: str, *, observed: tuple[Observation, ...] = ()) -> Ended:
        self.thread = with_intents_held(self.thread, self.reopen.id)
        return await self.finish(Status.HELD, reason=reason, detail=detail, observed=observed)

    async def hold_unknown(self) -> Ended:
        return await self.hold("outcome_unknown", "Acquire may or may not have acted on the call")

    async def due(self, status: Status, at_ms: int, reason: str, detail: str | None = None) -> Ended:
        now_ms = self.now_ms()
        aged_ms = self.reopen.age_ms + (now_ms - self.started_ms)
        self.reopen = replace(self.reopen, age_ms=aged_ms, ticking_since_ms=now_ms)
        return await self.finish(status, reason=reason, detail=detail, next_ms=at_ms)

    async def retry_later(self, reason: str, detail: str) -> Ended:
        policy = self.tools.policy
        self.count(sent=False)
        wait_seconds = backoff.delay_seconds(
            self.reopen.spent,
            self.tools.rng,
            base_seconds=policy.backoff_base_seconds,
            cap_seconds=policy.backoff_cap_seconds,
        )
        return await self.due(self.waiting_status(), self.now_ms() + int(wait_seconds * 1000), reason, detail)

    async def snooze(self, until_ms: int, reason: str) -> Ended:
        """Not this reopen's fault: no attempt is spent and its age stands still."""
        self.reopen = replace(self.reopen, age_ms=self.age_at_claim_ms, ticking_since_ms=0)
        return await self.finish(self.waiting_status(), reason=reason, next_ms=until_ms)

    async def look_failed(self, failure: ReadFailed) -> Ended:
        """Acquire could not be read: nothing is concluded, and nothing is sent."""
        ledger, now_ms = self.tools.ledger, self.now_ms()
        match failure:
            case NotAsked(why=why, until_ms=until_ms):
                return await self.snooze(until_ms, why)
            case AccountRefused():
                until_ms = now_ms + ACCOUNT_RECHECK_MS
                until_ms = await ledger.stop_account(failure.slug, until_ms, str(failure), probes=True)
                return await self.snooze(until_ms, failure.slug)
            case ReadFailed(retry_after_seconds=float(seconds)):
                until_ms = now_ms + int(seconds * 1000)
                until_ms = await ledger.stop_account("throttled", until_ms, str(failure), probes=False)
                return await self.snooze(until_ms, "throttled")
            case ThreadMissing():
                return await self.hold(failure.slug, str(failure))
            case LookLags():
                await self._note_read_lag(failure)
        return await self._look_later(failure)

    async def _look_later(self, failure: ReadFailed) -> Ended:
        """Nothing was sent, and what is unknown stays unknown while Acquire cannot be read: that spends no
        attempt, for as long as it takes.
        """
        self.reopen = replace(self.reopen, waits=self.reopen.waits + 1)
        status = self.waiting_status()
        cap_seconds = self.tools.policy.backoff_cap_seconds
        if status is Status.CHECKING:
            cap_seconds = min(LONGEST_LOOK_LATER_SECONDS, cap_seconds)
        wait_seconds = backoff.delay_seconds(
            self.reopen.waits,
            self.tools.rng,
            base_seconds=FIRST_LOOK_LATER_SECONDS,
            cap_seconds=cap_seconds,
            floor_seconds=FIRST_LOOK_LATER_SECONDS / 2,
        )
        reason = "outcome_unknown" if status is Status.CHECKING else failure.slug
        return await self.due(status, self.now_ms() + int(wait_seconds * 1000), reason, str(failure))

    async def _note_read_lag(self, lag: LookLags) -> None:
        seen_ms = [
            self.thread.cases[case_id].seen_ms for case_id in lag.missing if case_id in self.thread.cases
        ]
        if seen_ms:
            lag_ms = self.now_ms() - max(seen_ms)
            await self.tools.ledger.note_read_lag(min(LONGEST_READ_LAG_MS, lag_ms))

    # What is known of the head.

    def now_ms(self) -> int:
        return self.lease.now_ms(self.tools.ticker)

    def contact_id(self) -> int:
        return self.thread.contact_for(self.reopen.contact_id) or 0

    def waiting_status(self) -> Status:
        own = any(intent.reopen_id == self.reopen.id for intent in self.thread.unsettled)
        return Status.CHECKING if own else Status.RETRYING

    def forgot_ms(self) -> int:
        """When Redis forgot what may have been done for this head, 0 where it did not (rule 13)."""
        forgot_ms = self.claimed.forgot_ms
        return forgot_ms if may_have_been_done(self.reopen, forgot_ms, self.lease.epoch) else 0

    def needs_messages(self) -> bool:
        """Where an append is unsettled, or Redis may have forgotten one, messages tell."""
        return self.forgot_ms() > 0 or any(intent.kind == "append" for intent in self.thread.intents)

    def take_more_writes(self) -> tuple[Write, ...]:
        """Records of other reopens that are to be written along, once."""
        writes, self.more_writes = tuple(self.more_writes), []
        return writes

    def tick(self) -> None:
        since_ms = self.reopen.ticking_since_ms
        if since_ms:
            self.reopen = replace(self.reopen, age_ms=self.reopen.age_ms + max(0, self.started_ms - since_ms))

    def note_interruption(self) -> None:
        """An attempt that never ended: whoever made it died. That is not an attempt spent."""
        if self.reopen.attempts and self.reopen.attempts[-1].ended_ms is None:
            self.end(AttemptOutcome.INTERRUPTED, None, "the worker went away")

    def begin(self) -> None:
        self.reopen = begin_attempt(self.reopen, self.begins_ms)

    def end(
        self,
        outcome: AttemptOutcome,
        http_status: int | None = None,
        error: str | None = None,
        *,
        number: int | None = None,
    ) -> None:
        ended = end_attempt(
            self.reopen, self.now_ms(), outcome, http_status=http_status, error=error, number=number
        )
        self.begins_ms = self.now_ms()
        self.tools.on_attempt(outcome)
        self.reopen = with_calls(ended, self.tools.acquire.calls())
        number = ended.attempts[-1].number if number is None else number
        self.ended |= {each.number: each for each in self.reopen.attempts if each.number == number}

    def count(self, *, sent: bool) -> None:
        """Spend the attempt; `sent` ones reached Acquire."""
        self.reopen = replace(
            self.reopen, spent=self.reopen.spent + 1, sent=self.reopen.sent + (1 if sent else 0)
        )
