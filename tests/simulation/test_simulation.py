"""The short form of `make simulate`."""

from __future__ import annotations

import pytest

from tests.simulation.batch import run
from tests.simulation.play import SCENARIOS, play, play_struck
from tests.simulation.scenes_of_acquire import WEEKEND

HISTORIES = 800
WEEKENDS = 3
MOST_WEEKEND_STEPS = 8_000
TURNS = 20
ONCE_BROKEN = {
    "a thread named by a later case, and Redis forgets": {12: "Redis forgets"},
    "the same words as before": {5: "Redis' clock jumps back", 6: "acts within the settle time"},
    "held, resolved and linked, and Redis forgets": {2: "suspended for 20 s after", 3: "Redis forgets"},
    "the list comes and goes": {1: "Redis' clock jumps ahead", 7: "killed hearing the answer"},
    "the same words, and Redis forgets": {22: "Redis forgets", 24: "Redis' clock jumps ahead"},
    "Redis' clock is off, and Redis forgets": {14: "Redis forgets", 16: "killed before"},
    "a reply delivered often, and Redis forgets": {6: "Redis forgets", 9: "Redis' clock jumps back"},
}
"""Rare pairs of faults in which long runs found a promise broken that is kept now."""


def test_no_history_breaks_a_promise():
    """With two faults at any steps, no event is lost, doubled, out of order, stuck or given up."""
    batch = run(seconds=300, processes=2, most=HISTORIES)
    assert batch.count == HISTORIES
    assert [(played.seed, played.violations) for played in batch.found] == []


@pytest.mark.parametrize("name", ONCE_BROKEN)
def test_what_was_found_once_stays_mended(name: str):
    """A pair of faults that once broke a promise breaks none, whatever else differs."""
    scenario = next(each for each in SCENARIOS if each.name == name)
    for turn in range(TURNS):
        assert play_struck(scenario, ONCE_BROKEN[name], seed=turn).violations == [], turn


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
