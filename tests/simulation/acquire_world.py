"""An Acquire account in memory that knows what nobody else does: which event each effect truly came of.

It is as bad as the manner it is given: pages, read lag, texts that are escaped, cut or not shown, lists that
cannot be read. Times are milliseconds of true time since the history began.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field

from service.domain import cases as shown

FIRST_CASE_ID = 1_001
FIRST_MESSAGE_ID = 50_001


@dataclass(slots=True)
class Manner:
    """How this account shows what it has. Times in milliseconds; `0` and `None` are Acquire's best."""

    page_size: int = 50
    counts_page_only: bool = False
    list_lag_ms: int = 0
    case_lag_ms: int = 0
    message_lag_ms: int = 0
    escapes: bool = False
    cuts_at: int | None = None
    textless: bool = False
    last_message_only: bool = False
    no_messages_call: bool = False
    list_down_until_ms: int = 0
    contact_down_until_ms: int = 0
    messages_down_until_ms: int = 0
    away_until_ms: int = 0
    takes_no_calls_until_ms: int = 0
    fails_until_ms: int = 0
    refuses_until_ms: int = 0
    key_refused_until_ms: int = 0
    new_status: str = "active"
    echoes_token: bool = False


@dataclass(slots=True)
class Message:
    id: int
    text: str
    made_ms: int
    reopen_id: str | None
    """Ghost knowledge: the event it truly came of; None for agents, widgets and what was there before."""


@dataclass(slots=True)
class Case:
    id: int
    thread_id: int
    contact_id: int
    status: str
    text: str
    made_ms: int
    reopen_id: str | None = None
    mark: str | None = None
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """One effect of ours, as it truly came about."""

    reopen_id: str
    kind: str
    id: int
    case_id: int
    thread_id: int
    made_ms: int
    measured_lag_ms: int = 0
    """The worst read lag that was known when it came about."""


class Refusal(Exception):
    """Acquire says no."""


class AcquireWorld:
    """All that this account holds, and what happens to it."""

    def __init__(self, now: Callable[[], int], start_ms: int, manner: Manner | None = None) -> None:
        self.now = now
        self.start_ms = start_ms
        self.manner = manner or Manner()
        self.cases: dict[int, Case] = {}
        self.merged: dict[int, int] = {}
        self.emails: dict[int, str] = {}
        self.done: list[Done] = []
        self.measured_lag_ms: Callable[[], int] = lambda: 0
        self.looked: list[tuple[int, int]] = []
        """When somebody read which thread."""
        self.tried: set[str] = set()
        """Reopens for which a call really left."""
        self.next_case_id, self.next_message_id = FIRST_CASE_ID, FIRST_MESSAGE_ID

    # What people and calls do.

    def root(self, thread_id: int, contact_id: int, status: str = "closed") -> Case:
        """A conversation's first case, there before the history begins."""
        case = Case(thread_id, thread_id, contact_id, status, "An earlier question.", -86_400_000)
        self.cases[thread_id] = case
        return case

    def create(
        self,
        thread_id: int,
        contact_id: int,
        text: str,
        *,
        reopen_id: str | None = None,
        mark: str | None = None,
    ) -> Case:
        root = self.cases.get(thread_id)
        if root is None:
            raise Refusal(404, "Case not found")
        if contact_id not in {root.contact_id, self.merged.get(root.contact_id)}:
            raise Refusal(400, "The case belongs to another contact")
        case = Case(
            id=self.next_case_id,
            thread_id=root.thread_id,
            contact_id=contact_id,
            status=self.manner.new_status if reopen_id else "active",
            text=text,
            made_ms=self.now(),
            reopen_id=reopen_id,
            mark=mark if self.manner.echoes_token else None,
        )
        self.next_case_id += 1
        self.cases[case.id] = case
        if text:
            self._say(case, text, None)
        if reopen_id:
            self._did(reopen_id, "case", case.id, case)
        return case

    def append(self, case_id: int, text: str, *, reopen_id: str | None = None) -> Message:
        case = self.cases.get(case_id)
        if case is None:
            raise Refusal(404, "Case not found")
        if case.status != "active":
            raise Refusal(400, f"The case is {case.status}")
        message = self._say(case, text, reopen_id)
        if reopen_id:
            self._did(reopen_id, "message", message.id, case)
        return message

    def close(self, case_id: int) -> None:
        self.cases[case_id].status = "closed"

    def activate(self, case_id: int) -> None:
        self.cases[case_id].status = "active"

    def merge(self, contact_id: int, into: int) -> None:
        self.merged[contact_id] = into
        for case in self.cases.values():
            if case.contact_id == contact_id:
                case.contact_id = into

    def open_cases(self, thread_id: int) -> list[Case]:
        return [c for c in self.cases.values() if c.thread_id == thread_id and c.status != "closed"]

    def _did(self, reopen_id: str, kind: str, effect_id: int, case: Case) -> None:
        lag_ms = self.measured_lag_ms()
        self.done.append(Done(reopen_id, kind, effect_id, case.id, case.thread_id, self.now(), lag_ms))

    def _say(self, case: Case, text: str, reopen_id: str | None) -> Message:
        message = Message(self.next_message_id, text, self.now(), reopen_id)
        self.next_message_id += 1
        case.messages.append(message)
        return message

    # What reads show.

    def show_case(self, case_id: int) -> shown.Case | None:
        case = self.cases.get(case_id)
        if case is None or not self._visible(case.made_ms, self.manner.case_lag_ms):
            return None
        return self._shown(case)

    def show_page(self, thread_id: int, page: int) -> shown.CasePage:
        size = self.manner.page_size
        found = [
            case
            for case in self.cases.values()
            if case.thread_id == thread_id
            and case.id != thread_id
            and self._visible(case.made_ms, self.manner.list_lag_ms)
        ]
        listed = found[page * size : (page + 1) * size]
        count = len(listed) if self.manner.counts_page_only else len(found)
        return shown.CasePage(tuple(map(self._shown, listed)), count, full=len(listed) >= size)

    def show_contact(self, contact_id: int) -> tuple[shown.Case, ...]:
        return tuple(
            self._shown(case)
            for case in self.cases.values()
            if case.contact_id == contact_id and self._visible(case.made_ms, self.manner.list_lag_ms)
        )

    def show_messages(self, thread_id: int) -> shown.Messages:
        by_case: dict[int, tuple[shown.Message, ...]] = {}
        for case in self.cases.values():
            if case.thread_id != thread_id or not self._visible(case.made_ms, self.manner.list_lag_ms):
                continue
            said = [
                shown.Message(m.id, self._text(m.text), self.start_ms + m.made_ms)
                for m in case.messages
                if self._visible(m.made_ms, self.manner.message_lag_ms)
            ]
            by_case[case.id] = tuple(said[-1:] if self.manner.last_message_only else said)
        return shown.Messages(by_case, complete=not self.manner.last_message_only)

    def _visible(self, made_ms: int, lag_ms: int) -> bool:
        return self.now() >= made_ms + lag_ms or made_ms < 0

    def _shown(self, case: Case) -> shown.Case:
        return shown.Case(
            id=case.id,
            thread_id=case.thread_id,
            status=case.status,
            closed=case.status == "closed",
            contact_id=case.contact_id,
            session_id=f"{3_711_819_272_000 + case.thread_id}",
            text=self._text(case.text),
            created_ms=self.start_ms + case.made_ms,
            marks=(case.mark,) if case.mark else (),
        )

    def _text(self, text: str) -> str | None:
        if self.manner.textless or not text:
            return None
        told = html.escape(text) if self.manner.escapes else text
        cut = self.manner.cuts_at
        if cut is not None:
            told = " ".join(told.split())
            told = told[:cut]
        return told
