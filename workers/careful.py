"""Calls to Acquire within the rate limit, counted for the breaker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from service.domain.errors import AccountRefused, NotAsked, ReadFailed
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
from service.domain.ports import Acquire, Gate, Later, Place, Sending, Wanted
from service.logs import get_logger

if TYPE_CHECKING:
    from service.domain.cases import Case, CasePage, Messages, ThreadRead
    from service.domain.outcomes import Outcome
    from service.domain.reopens import Call, Reopen
    from service.queue import Lane
    from workers.throttle import Care

CALLS_A_HEAD = 3
"""A look asks two things side by side, and then there is the call."""

Shown = TypeVar("Shown")

log = get_logger(__name__)


class Careful(Acquire, Gate):
    """Acquire as one claim uses it. `admit` gets places for a look and a call; reads beyond them wait for
    their own, and a send never waits. How each ended is told to `care`. Reads raise `NotAsked` while Acquire
    is left alone; a send is `Withheld` then.
    """

    def __init__(self, acquire: Acquire, care: Care, lane: Lane = "live") -> None:
        self._acquire = acquire
        self._lane: Lane = lane
        self._care = care
        self._paid = 0
        self._has_begun = False
        """It counts as begun, and has called nobody yet."""

    def wanted(self) -> Wanted | None:
        wanted = self._care.wanted(CALLS_A_HEAD, self._lane)
        self._has_begun = wanted is not None
        return wanted

    def unused(self) -> None:
        if self._has_begun:
            self._has_begun = False
            self._care.not_begun()

    async def admit(self, reopen: Reopen, now_ms: int, place: Place | None = None) -> Later | None:
        """A place for a look and a call, or why not now. A head that failed or waited before is a retry."""
        self._care.note_time(now_ms)
        is_retry = reopen.spent > 0 or reopen.waits > 0
        if place is None:
            self.unused()
        self._has_begun = False
        later = await self._care.begin(CALLS_A_HEAD, place, is_retry=is_retry, lane=self._lane)
        if later is None:
            self._paid = CALLS_A_HEAD
            self._has_begun = True
        return later

    async def read_thread(self, thread_id: int) -> ThreadRead:
        return await self._read(2, lambda: self._acquire.read_thread(thread_id))

    async def read_page(self, thread_id: int, page: int) -> CasePage:
        return await self._read(1, lambda: self._acquire.read_page(thread_id, page))

    async def read_case(self, case_id: int) -> Case | None:
        return await self._read(1, lambda: self._acquire.read_case(case_id))

    async def read_contact_cases(self, contact_id: int) -> tuple[Case, ...]:
        return await self._read(1, lambda: self._acquire.read_contact_cases(contact_id))

    async def find_contacts(self, email: str) -> tuple[int, ...]:
        return await self._read(1, lambda: self._acquire.find_contacts(email))

    async def read_messages(self, thread_id: int, contact_id: int) -> Messages:
        return await self._read(1, lambda: self._acquire.read_messages(thread_id, contact_id))

    async def send(self, sending: Sending, *, may_send: Callable[[], bool]) -> Outcome:
        """An intent stands by now, and a lease runs: no waiting here, only a last look at the breaker."""
        self._paid = max(0, self._paid - 1)
        stopped = self._care.stopped()
        if stopped is not None:
            return Withheld(stopped.why, stopped.until_ms)
        self._has_begun = False
        asked: list[bool] = []

        def noted() -> bool:
            asked.append(may_send())
            return asked[-1]

        began_ms = self._care.now_ms()
        outcome = await self._acquire.send(sending, may_send=noted)
        match outcome:
            case Done() | Misplaced() | Refused():
                self._care.answered()
            case NotSent() if asked and not asked[-1]:
                log.warning("send.forbidden", reopen_id=sending.reopen.id)
            case NotSent(error) | Unknown(error):
                self._care.failed(error, began_ms)
            case Unauthorized(http_status):
                self._care.heard()
                # Without the words of who refused: a proxy may repeat what was sent, the customer's words.
                log.error("account.refused", http_status=http_status, reopen_id=sending.reopen.id)
            case Throttled():
                self._care.heard()
        return outcome

    def calls(self) -> tuple[Call, ...]:
        return self._acquire.calls()

    async def _read(self, calls: int, read: Callable[[], Awaitable[Shown]]) -> Shown:
        if self._paid >= calls:
            self._paid -= calls
            later = self._care.stopped()
        else:
            later = await self._care.place(calls)
        if later is not None:
            raise NotAsked(later.why, later.until_ms)
        self._has_begun = False
        began_ms = self._care.now_ms()
        try:
            shown = await read()
        except AccountRefused as refused:
            self._care.heard()
            log.error("account.refused", http_status=refused.http_status)  # noqa: TRY400 - as in `send`
            raise
        except ReadFailed as failure:
            self._note(failure, began_ms)
            raise
        self._care.answered()
        return shown

    def _note(self, failure: ReadFailed, began_ms: int) -> None:
        """An answer that says no to this one question is an answer; a `Retry-After` is neither."""
        if failure.retry_after_seconds is not None:
            self._care.heard()
            return
        status = failure.http_status
        if status is None or status < 400 or status >= 500 or status == 408:
            self._care.failed(str(failure), began_ms)
        else:
            self._care.answered()
