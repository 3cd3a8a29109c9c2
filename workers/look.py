"""What does Acquire show of a thread? (rule 4 of docs/protocol.md)

A look counts only if it shows everything that is known to exist; else nothing is concluded from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from service.domain.cases import Case, Look, Messages, View
from service.domain.errors import AccountRefused, ReadFailed
from service.domain.threads import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.domain.ports import Acquire
    from service.domain.threads import Thread

MOST_PAGES = 50
LONGEST_LAG_MS = 60_000
"""A case that was there is taken for removed only when it was not seen for so long."""


class ThreadMissing(ReadFailed):
    """Acquire answers that it has no case of the thread's id, and the contact has none either."""

    slug = "thread_not_found"


class ThreadElsewhere(ReadFailed):
    """The id that was given is of a later case: the thread is `root`'s (rule 2)."""

    slug = "thread_elsewhere"

    def __init__(self, root: int) -> None:
        super().__init__(f"the case belongs to thread {root}")
        self.root = root


class LookLags(ReadFailed):
    """Acquire does not show yet what is known to exist."""

    slug = "read_lags"

    def __init__(self, missing: Iterable[int]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"Acquire does not show {len(self.missing)} case(s) known to exist")


async def take_look(
    acquire: Acquire, thread: Thread, contact_id: int, now_ms: int, *, messages: bool = False
) -> Look:
    """One look at the thread: the root case, all pages of its cases, and the messages where they matter.

    Where the list of the thread's cases cannot be read, the contact with its cases stands in.
    Raises `ReadFailed` where neither can, and its subclasses above.
    """
    view: View = "thread"
    try:
        cases = await _thread_view(acquire, thread.id)
    except AccountRefused:
        raise
    except ReadFailed as failure:
        if isinstance(failure, ThreadElsewhere) or failure.retry_after_seconds is not None:
            raise
        view = "contact"
        try:
            cases = await _contact_view(acquire, thread.id, contact_id)
        except ThreadMissing:
            # It is missing only where the thread's own call says so too; else that call failed for a while.
            raise failure from None
    cases = await _with_known(acquire, thread, cases, now_ms)
    look = Look(root_id=thread.id, view=view, cases=cases, taken_ms=now_ms)
    if messages or _new_without_text(look, thread):
        look = await with_messages(acquire, look, contact_id)
    return look


async def with_messages(acquire: Acquire, look: Look, contact_id: int) -> Look:
    """The look with the messages of its cases; without them where Acquire has no such call."""
    try:
        shown: Messages | None = await acquire.read_messages(look.root_id, contact_id)
    except ReadFailed as failure:
        if failure.supported:
            raise
        shown = None
    return replace(look, messages=shown)


async def _thread_view(acquire: Acquire, thread_id: int) -> dict[int, Case]:
    read = await acquire.read_thread(thread_id)
    if read.root is None:
        raise ThreadMissing(f"Acquire has no case {thread_id}", http_status=404)
    if read.root.thread_id != thread_id:
        raise ThreadElsewhere(read.root.thread_id)
    cases = {read.root.id: read.root}
    page, number = read.page, 0
    listed: set[int] = set()
    while True:
        fresh = {case.id for case in page.cases} - listed
        listed |= fresh
        cases.update({case.id: case for case in page.cases if case.thread_id == thread_id})
        told_all = page.count is None or len(listed) >= page.count
        if told_all and (not fresh or not page.full):
            return cases
        if not fresh or number >= MOST_PAGES:
            raise ReadFailed(f"the list of cases of thread {thread_id} does not come to its end")
        number += 1
        page = await acquire.read_page(thread_id, number)


async def _contact_view(acquire: Acquire, thread_id: int, contact_id: int) -> dict[int, Case]:
    shown = await acquire.read_contact_cases(contact_id)
    cases = {case.id: case for case in shown if thread_id in {case.id, case.thread_id}}
    if thread_id not in cases:
        raise ThreadMissing(f"contact {contact_id} has no case {thread_id}", http_status=404)
    if cases[thread_id].thread_id != thread_id:
        raise ThreadElsewhere(cases[thread_id].thread_id)
    return cases


async def _with_known(
    acquire: Acquire, thread: Thread, cases: dict[int, Case], now_ms: int
) -> dict[int, Case]:
    """The cases, if all known ones are among them or gone for good: removed, or put into another thread. One
    that is there but not listed shows that the list lags; one that was seen a moment ago and is nowhere now
    shows that all of Acquire lags.
    """
    for case_id in sorted(set(thread.cases) - set(cases)):
        seen_lately = now_ms - thread.cases[case_id].seen_ms < LONGEST_LAG_MS
        if seen_lately or _is_there(await acquire.read_case(case_id), thread.id):
            raise LookLags([case_id])
    return cases


def _is_there(case: Case | None, thread_id: int) -> bool:
    """A case that names no thread counts as one of its own: that says nothing of where it belongs."""
    return case is not None and case.thread_id in {thread_id, case.id}


def _new_without_text(look: Look, thread: Thread) -> bool:
    """A new case nobody claims whose words the list does not show: only its messages tell whose it is."""
    return bool(thread.intents) and any(
        case.text is None and case.id not in thread.cases and thread.owner(Effect("case", case.id)) is None
        for case in look.cases.values()
    )
