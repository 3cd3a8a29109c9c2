"""What a process keeps of what Redis confirmed, until Redis has had the time to make it last (rule 13)."""

from __future__ import annotations

from datetime import timedelta

from service.ledger.recent import KEPT_SECONDS, Recent
from tests.clocks import HandClock


def test_an_answer_read_late_lets_nothing_go():
    """What Redis said before a process was stopped does not tell what it knows when that goes on."""
    clock = HandClock()
    recent: Recent[str] = Recent(clock)
    recent.add("first", 5, "run-1")
    asked_at = clock.boottime()
    clock.moment += timedelta(seconds=2 * KEPT_SECONDS)
    recent.confirmed("run-1", asked_at)
    recent.add("second", 5, "run-1")
    assert [kept.item for kept in recent.behind("run-2")] == ["first", "second"]
    recent.confirmed("run-1", clock.boottime())
    assert [kept.item for kept in recent.behind("run-2")] == ["second"]
