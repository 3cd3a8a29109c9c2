"""Each of the sixteen rules, taken out: the simulation tells on it."""

from __future__ import annotations

import pytest

from tests.simulation.mutant import told_on
from tests.simulation.mutants import MUTANTS
from tests.simulation.play import SCENARIOS, play_struck


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_rule_that_is_missing_shows(mutant, record_property):
    """A history breaks a promise as soon as the rule is gone, and breaks none with it."""
    told = told_on(mutant)
    assert told is not None, f"no history of {mutant.scenario!r} needs {mutant}"
    record_property("history", f"{told.scenario}: {', '.join(map(str, told.struck)) or 'no fault'}")
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == mutant.scenario)
    strikes = {strike.step: strike.name for strike in told.struck}
    assert play_struck(scenario, strikes, seed=told.seed).violations == []


def test_every_rule_is_taken_out():
    """All sixteen rules have a history that needs them."""
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 17))
