"""The short form of `make simulate`."""

from __future__ import annotations

from tests.simulation.batch import run
from tests.simulation.play import play
from tests.simulation.scenes_of_acquire import WEEKEND

HISTORIES = 800
WEEKENDS = 3
MOST_WEEKEND_STEPS = 8_000


def test_no_history_breaks_a_promise():
    """With two faults at any steps, no event is lost, doubled, out of order, stuck or given up."""
    batch = run(seconds=300, processes=2, most=HISTORIES)
    assert batch.count == HISTORIES
    assert [(played.seed, played.violations) for played in batch.found] == []


def test_a_history_plays_the_same_again():
    """A number is all that is needed to see a history again, step by step."""
    first, second = play(77, tells=True), play(77, tells=True)
    assert first.story == second.story
    assert first.struck == second.struck


def test_a_weekend_in_the_queue():
    """Over 62 hours, a few looks an hour; then all replies are in the one case, in order."""
    for turn in range(WEEKENDS):
        played = play(turn * 37, scenarios=(WEEKEND,))
        assert played.violations == [], played.seed
        assert played.steps < MOST_WEEKEND_STEPS
