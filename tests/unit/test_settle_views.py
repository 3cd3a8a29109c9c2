"""A look in another view than the baseline's concludes nothing (rule 4), however late it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from service.domain.cases import Case, Look
from service.domain.reopens import Policy
from service.domain.settle import Absent, Adopted, Undecided, Unreadable, examine
from service.domain.threads import Effect, Thread
from tests.unit.lost import CREATE, ROOT
from workers.reopen import _settle

SETTLE_MS = 15_000
THREAD = Thread(id=10, intents=(CREATE,))
LONG_AFTER_MS = 3_600_000
DAY_MS = 86_400_000


def look_of(view, *cases):
    return Look(root_id=10, view=view, cases={case.id: case for case in cases}, taken_ms=LONG_AFTER_MS)


def examined(intent, look, now_ms=LONG_AFTER_MS):
    thread = replace(THREAD, intents=(intent,))
    return examine(intent, thread, look, now_ms, settle_ms=SETTLE_MS)


def test_another_view_is_waited_out():
    """While only the fallback can be read, the call stays unknown: neither absent nor a person's matter."""
    verdict = examined(CREATE, look_of("contact", ROOT))
    assert isinstance(verdict, Undecided)
    assert not verdict.counts
    assert verdict.look_again_ms > LONG_AFTER_MS + 1_000, "an hour later nobody looks every second"
    assert isinstance(examined(CREATE, look_of("thread", ROOT)), Absent)


def test_a_few_looks_in_another_view_cost_seconds():
    """Where each read may fail, five looks in a row that fell back are common among thousands of events."""
    settled_ms = now_ms = CREATE.ends_by_ms + SETTLE_MS
    for _ in range(5):
        verdict = examined(CREATE, look_of("contact", ROOT), now_ms)
        assert isinstance(verdict, Undecided)
        now_ms = verdict.look_again_ms
    assert now_ms - settled_ms < 10_000
    for _ in range(40):
        verdict = examined(CREATE, look_of("contact", ROOT), now_ms)
        assert isinstance(verdict, Undecided)
        waited_ms, now_ms = verdict.look_again_ms - now_ms, verdict.look_again_ms
    assert 60_000 <= waited_ms <= 61_000, "where it stays away, once a minute"


def test_waits_for_the_view_are_no_longer_than_the_back_offs_cap():
    """As between any other tries: a thread that has waited for an hour may have had only one bad look."""
    head: Any = SimpleNamespace(
        thread=THREAD,
        tools=SimpleNamespace(policy=Policy(settle_ms=SETTLE_MS, backoff_cap_seconds=5)),
        now_ms=lambda: LONG_AFTER_MS,
        read_lag_ms=0,
    )
    assert _settle(head, look_of("contact", ROOT)).look_again_ms == LONG_AFTER_MS + 6_000


def test_the_threads_own_list_stands_for_the_fallback():
    """A baseline of the fallback is settled by the thread's own list, in which older cases are no news."""
    at_ms = LONG_AFTER_MS - 4 * SETTLE_MS
    intent = replace(CREATE, view="contact", at_ms=at_ms, ends_by_ms=at_ms + 10_000)
    older = Case(
        id=8, thread_id=10, status="closed", closed=True, text=CREATE.words, created_ms=at_ms - 2 * DAY_MS
    )
    ours = replace(older, id=12, created_ms=LONG_AFTER_MS)
    assert isinstance(examined(intent, look_of("thread", ROOT, older)), Absent)
    verdict = examined(intent, look_of("thread", ROOT, older, ours))
    assert isinstance(verdict, Adopted)
    assert verdict.case_id == 12


def test_a_case_whose_date_is_in_doubt_is_a_persons_matter():
    """Where Redis' clock is an hour ahead of Acquire's, what a call made seems to be older than that. So a
    case with its words, which the fallback did not show, is neither taken for its effect nor passed over.
    """
    intent = replace(CREATE, view="contact", at_ms=LONG_AFTER_MS, ends_by_ms=LONG_AFTER_MS + 10_000)
    made = Case(id=12, thread_id=10, status="active", closed=False, text=CREATE.words, created_ms=1)
    settled_ms = intent.ends_by_ms + SETTLE_MS
    assert isinstance(examined(intent, look_of("thread", ROOT, made), settled_ms - 1), Undecided)
    verdict = examined(intent, look_of("thread", ROOT, made), settled_ms)
    assert verdict == Unreadable((Effect("case", 12),))
    anothers = replace(made, text="Quite another matter.")
    assert isinstance(examined(intent, look_of("thread", ROOT, anothers), settled_ms), Absent)
    marked = replace(made, text=None, marks=(f"ticket 1 {CREATE.token}",))
    assert isinstance(examined(intent, look_of("thread", ROOT, marked), settled_ms), Adopted)


def test_a_baseline_that_could_not_be_taken_is_a_persons_matter():
    """Without a baseline no look can ever tell absence, so a person is asked once time is over."""
    append = replace(CREATE, kind="append", case_id=10, view=None, seen=frozenset())
    assert isinstance(examined(append, look_of("thread", ROOT)), Unreadable)
