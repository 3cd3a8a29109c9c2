"""What shows of a call late, after another one did its work, and how late that can be (rules 6, 10, 16)."""

from __future__ import annotations

from dataclasses import replace

from service.domain.cases import Case, Look
from service.domain.plan import target
from service.domain.settle import settle
from service.domain.threads import Claim, Effect, KnownCase, Thread, with_claim, with_clock_set_back
from tests.unit.lost import CREATE, ROOT, WORDS

ABSENT = replace(CREATE, empty_looks=2, state="absent")


def test_the_case_of_a_late_call_does_not_take_what_follows():
    """Where a call acts after its reopen has a case, later replies go on in that case, not in the second."""
    first = Case(id=12, thread_id=10, status="active", closed=False, text=WORDS)
    late = replace(first, id=13)
    thread = with_claim(Thread(id=10, intents=(ABSENT,)), Effect("case", 12), Claim("r", 2, 12), 20_000)
    look = Look(10, "thread", {case.id: case for case in (ROOT, first, late)}, taken_ms=60_000)
    settled = settle(thread, look, 60_000, settle_ms=15_000)
    assert [adopted.effect for _, adopted in settled.adopted] == [Effect("case", 13)]
    assert target(settled.thread, look) == first


def test_an_end_noted_after_the_clock_went_back_stands():
    """Where Redis' clock goes back an hour while a call is out, its end, which the answer or the lack of one
    told in the new time, is not put back a second time: it would count as settled at once.
    """
    began_ms, now_ms = 3_600_000, 1_000
    told = replace(ABSENT, state="open", at_ms=began_ms, ends_by_ms=500)
    untold = replace(told, reopen_id="s", ends_by_ms=began_ms + 12_000)
    moved = with_clock_set_back(Thread(id=10, intents=(told, untold)), now_ms).intents
    assert [(each.at_ms, each.ends_by_ms) for each in moved] == [(now_ms, 500), (now_ms, now_ms + 12_000)]


def test_a_case_was_seen_no_later_than_now():
    """Where Redis' clock goes back an hour, a case that is gone since is not waited for as one seen just now
    until the clock has caught up.
    """
    known = {11: KnownCase(11, "closed", 1, seen_ms=3_600_000), 12: KnownCase(12, "closed", 1, seen_ms=5)}
    cases = with_clock_set_back(Thread(id=10, cases=known), 1_000).cases
    assert [case.seen_ms for case in cases.values()] == [1_000, 5]
