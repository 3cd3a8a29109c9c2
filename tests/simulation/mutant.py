"""One rule taken out: how that is done, and how a history is found that tells on it.

A rule that stands in a Lua script is taken out of the script's source, one in Python out of the module that
uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from tests.simulation.ledger_twin import SCRIPTS
from tests.simulation.play import SCENARIOS, Played, play, play_struck, steps_without_faults

MOST_HISTORIES = 800
FELL_OVER = " failed: "
"""Code that stumbles over what is missing tells nothing of the rule: only a broken promise does."""

Absent = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`without` takes the rule out for as long as its context lasts."""

    rule: int
    missing: str
    scenario: str
    without: Absent
    history: Mapping[int, str] = field(default_factory=dict)
    """Faults by their steps, known to tell where the numbered histories take long to."""

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.missing}"


def told_on(mutant: Mutant) -> Played | None:
    """The first history of the mutant's scenario that breaks a promise, None where none does."""
    index = [scenario.name for scenario in SCENARIOS].index(mutant.scenario)
    steps_without_faults(SCENARIOS[index])  # what a number means does not hang on the mutant
    with mutant.without():
        for played in _histories(mutant, index):
            if played.violations and not any(FELL_OVER in violation for violation in played.violations):
                return played
    return None


def _histories(mutant: Mutant, index: int) -> Iterator[Played]:
    yield play_struck(SCENARIOS[index], mutant.history)
    for turn in range(MOST_HISTORIES):
        yield play(turn, scenarios=(SCENARIOS[index],))


def script_without(old: str, new: str, *names: str) -> Absent:
    """The scripts that have this text (or those named), with another in its place."""

    def without() -> AbstractContextManager[Any]:
        changed = {
            name: source.replace(old, new)
            for name, source in SCRIPTS.items()
            if old in source and (not names or name in names)
        }
        if not changed:
            raise LookupError(f"no script has {old!r} any more")
        return patch.dict(SCRIPTS, changed)

    return without


def patched(owner: Any, name: str, new: Any) -> Absent:
    return lambda: patch.object(owner, name, new)
