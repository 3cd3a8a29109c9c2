"""The pure parts of the dashboard: what is wrong, who is silent, how bars are drawn, how a story is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest

from service.dashboard import asked
from service.dashboard.charts import HEIGHT, WIDTH, chart
from service.dashboard.story import story
from service.domain.reopens import Attempt, AttemptOutcome, Reopen, Status
from service.ledger.audit import Entry
from service.ledger.counts import Account, Stats
from service.ledger.reads import Arrivals
from service.ledger.series import Series, Slot
from service.metrics.account import STOPS
from service.sources.base import MalformedSlug, RejectionSlug
from service.spoken import lasting, number
from service.watch.problems import problems
from service.watch.silence import HOUR_MS, silences
from service.words import says

NOW = 1_800_000_000_000


def stats(**more: object) -> Stats:
    """A ledger in which all is well."""
    told = {
        "accepted": 0,
        "by_status": {status.value: 0 for status in Status},
        "by_source": {},
        "oldest_waiting_seconds": 0.0,
        "queue_depth": 0,
        "in_flight": 0,
        "duplicates": 0,
        "removed": 0,
        "totals": {},
        "account": Account(paused=False, why=None, until_ms=None, detail=None, read_lag_ms=0),
        **more,
    }
    return Stats(**told)


def minutes(*counts: dict[str, int]) -> Series:
    """Slots of one source, the last one now."""
    slots = [Slot(0, Counter({("support", what): n for what, n in each.items()})) for each in counts]
    return Series("hour", 60_000, tuple(slots))


class TestProblems:
    def titles(self, numbers: Stats, *, workers: int = 1, series: Series | None = None) -> list[str]:
        found = problems(numbers, workers=workers, series=series or minutes({}), silent=(), now_ms=NOW)
        return [problem.title for problem in found]

    def test_none_where_all_is_well(self):
        """A ledger in which all is well has no problem."""
        assert self.titles(stats()) == []

    def test_the_worst_come_first(self):
        """What stops everything stands before what merely waits."""
        account = replace(stats().account, paused=True, why="paused", paused_by="Anna")
        assert self.titles(stats(account=account), workers=0) == ["No worker is running", "Paused by Anna"]

    def test_a_queue_that_grows(self):
        """Many that wait are a problem only while more come in than go out."""
        numbers = stats(accepted=60, by_status={**stats().by_status, "queued": 60})
        assert self.titles(numbers, series=minutes({"in:accepted": 9, "reopened": 9})) == []
        assert self.titles(numbers, series=minutes({"in:accepted": 9, "reopened": 2})) == [
            "The queue grows: 60 wait"
        ]

    def test_numbers_that_do_not_add_up(self):
        """The conservation law is watched."""
        assert self.titles(stats(accepted=1)) == ["The numbers do not add up"]


class TestSilence:
    hour = NOW // HOUR_MS

    def hourly(self, *, days: tuple[int, ...], count: int) -> dict[tuple[str, int], int]:
        return {("support", self.hour - day * 24 - ago): count for day in days for ago in range(6)}

    def test_it_usually_talks(self):
        """Silent for hours in which it talked yesterday and a week ago: somebody must look."""
        heard = {"support": NOW - 4 * HOUR_MS}
        (found,) = silences(heard, self.hourly(days=(1, 7), count=10), NOW)
        assert found.source == "support"
        assert found.usual == 30

    def test_a_weekend_is_no_silence(self):
        """Where it was as quiet a week ago, it is quiet as ever."""
        heard, before = {"support": NOW - 4 * HOUR_MS}, self.hourly(days=(1,), count=10)
        assert silences(heard, before | {("support", self.hour - 9 * 24): 1}, NOW) == []

    def test_a_young_source_is_judged_by_yesterday(self):
        """Where nothing is known of a week ago, yesterday tells."""
        heard = {"support": NOW - 4 * HOUR_MS}
        assert len(silences(heard, self.hourly(days=(1,), count=10), NOW)) == 1

    def test_it_talked_a_moment_ago(self):
        """A source that was heard within the hour is not silent."""
        assert silences({"support": NOW - 60_000}, self.hourly(days=(1, 7), count=10), NOW) == []


class TestChart:
    def test_bars_fit_and_nothing_vanishes(self):
        """Bars stay in their box, and a single event beside thousands is seen."""
        busy, quiet = {"in:accepted": 3_000, "reopened": 2_999, "dead": 1}, {"in:held": 1}
        drawn = chart(minutes(busy, quiet))
        assert drawn.highest >= 3_000
        for bar in drawn.bars:
            assert bar.x >= 0
            assert bar.x + bar.width <= WIDTH
            assert max(bar.came_height, bar.good_height + bar.bad_height) <= HEIGHT
        assert all(bar.bad_height >= 2 for bar in drawn.bars)
        assert (drawn.came, drawn.good, drawn.bad) == (3_001, 2_999, 2)

    def test_an_empty_span(self):
        """Where nothing happened, nothing is drawn."""
        (bar,) = chart(minutes({})).bars
        assert bar.came_height == bar.good_height == bar.bad_height == 0


class TestWaiting:
    def test_percentiles_are_right_to_a_tenth(self):
        """How long customers waited is known to a tenth from the histogram."""
        slot = Slot(0)
        for ms in range(1, 1_001):
            slot.waited[int(4 * _log2(ms))] += 1
        series = Series("hour", 60_000, (slot,))
        for exact in range(50, 1_001, 10):
            told = series.waited_ms(exact / 1_000)
            assert told is not None
            assert abs(told - exact) / exact < 0.1
        assert Series("hour", 60_000, ()).waited_ms(0.5) is None


class TestStory:
    record = Reopen(
        id="a" * 24,
        source="support",
        event_id="e",
        position=1,
        status=Status.DEAD,
        created_ms=1_000,
        updated_ms=9_000,
        contact_id=1,
        thread_id=2,
        reason="refused",
        detail="no",
        deliveries=3,
        attempts=(Attempt(1, 2_000, 3_000, AttemptOutcome.REFUSED, 422, "no"),),
    )

    def told(self, record: Reopen) -> list[str]:
        arrivals = Arrivals("d2", ((1_500, False), (1_600, True)))
        deed = Entry("5-0", 5_000, "Anna", "dashboard", "retry", record.id, "mended", 1)
        moments = story(record, arrivals=arrivals, deeds=[deed], unsettled=(), duplicates=())
        return [moment.title for moment in moments]

    def test_in_the_order_it_happened(self):
        """Arrivals, attempts, deeds of people, and where it stands now."""
        assert self.told(self.record) == [
            "Accepted from support",
            "The same event came again; it counts once",
            "The same event came again; it counts once",
            "Attempt 1: Acquire refused with 422 after 1.0 s",
            "Anna (dashboard): retry",
            "Now dead: given up; a person can retry it",
        ]

    def test_an_answer_that_says_nothing_is_no_lost_one(self):
        """Where Acquire answered, an unknown outcome is not told as a lost answer."""
        for status, words in ((500, "its answer does not tell"), (None, "its answer was lost")):
            attempt = Attempt(1, 2_000, 3_000, AttemptOutcome.UNKNOWN, status)
            assert words in self.told(replace(self.record, attempts=(attempt,)))[3]

    def test_one_that_a_person_wanted_again(self):
        """A reopen done once more names the one it follows."""
        again = replace(self.record, again_of="b" * 24, again_reason="because")
        assert self.told(again)[0] == f"Asked for once more, after {'b' * 24}"


class TestAsked:
    def test_times_are_utc_or_how_long_ago(self):
        """A shared address means the same to everybody."""
        told = asked.filters({"since": "2027-01-15T08:00", "until": "1h"})
        wanted = asked.wanted(told, NOW)
        assert wanted.since_ms == 1_800_000_000_000
        assert wanted.until_ms == NOW - HOUR_MS

    def test_what_cannot_be_read_is_left_out(self):
        """An address with nonsense in it still shows a list."""
        wanted = asked.wanted(asked.filters({"status": "odd", "since": "soon"}), NOW)
        assert wanted.status is None
        assert wanted.since_ms is None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0.25, "250 ms"), (3.21, "3.2 s"), (75, "1 min 15 s"), (7_200, "2 h"), (90_000, "1 d 1 h")],
)
def test_lasting(seconds, told):
    """Lengths of time show their two largest units."""
    assert lasting(seconds) == told


@pytest.mark.parametrize("slug", STOPS)
def test_every_stop_has_a_sentence(slug):
    """Why nothing is sent is told to people in words of their own."""
    assert says(slug)


@pytest.mark.parametrize("slug", [*get_args(RejectionSlug), *get_args(MalformedSlug), "thread_unsettled"])
def test_every_refusal_has_a_sentence(slug):
    """What a delivery was refused for is told to people in words of their own."""
    assert says(slug)


def test_number():
    """Thousands are set apart, and small rates keep a digit."""
    assert number(12_345) == "12\u202f345"
    assert number(0.4) == "0.4"
    assert number(3) == "3"


def _log2(value: float) -> float:
    from math import log2

    return log2(value)
