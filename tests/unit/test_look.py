"""What a look makes of a case that is known and not in its thread's list (rule 4)."""

from __future__ import annotations

import pytest

from service.domain.cases import Case, CasePage, ThreadRead
from service.domain.threads import KnownCase, Thread
from workers.look import LookLags, take_look

ROOT = Case(id=10, thread_id=10, status="closed", closed=True)
NOW_MS = 1_000_000_000
KNOWN = Thread(id=10, cases={11: KnownCase(11, "closed", None, NOW_MS - 86_400_000)})


class Showing:
    """An Acquire whose list is empty, and that shows this for the known case."""

    def __init__(self, known: Case | None) -> None:
        self.known = known

    async def read_thread(self, thread_id: int) -> ThreadRead:
        return ThreadRead(ROOT, CasePage((), 0))

    async def read_case(self, case_id: int) -> Case | None:
        return self.known


@pytest.mark.parametrize("known", [None, Case(id=11, thread_id=20, status="closed", closed=True)])
async def test_a_case_that_is_gone_is_not_waited_for(known):
    """A case that was removed, or put into another thread, keeps its former thread waiting no longer."""
    look = await take_look(Showing(known), KNOWN, 1, NOW_MS)
    assert set(look.cases) == {10}


@pytest.mark.parametrize("thread_id", [10, 11])
async def test_a_case_that_is_only_not_listed_shows_that_the_list_lags(thread_id):
    """A case that is there, in its thread or without a word of any, is waited for: the list lags."""
    known = Case(id=11, thread_id=thread_id, status="closed", closed=True)
    with pytest.raises(LookLags):
        await take_look(Showing(known), KNOWN, 1, NOW_MS)
