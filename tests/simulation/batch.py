"""Many histories on all processors, for so many seconds."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.play import Played, play

KEPT_VIOLATIONS = 20
COLLECTED_EVERY = 500


@dataclass(slots=True)
class Batch:
    """What came of many histories. `cut` holds the steps at which something struck, `found` those histories
    that broke a promise.
    """

    histories: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    cut: dict[str, set[int]] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    found: list[Played] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.histories.total()

    def add(self, played: Played) -> None:
        self.histories[played.scenario] += 1
        self.steps += played.steps
        for strike in played.struck:
            self.struck[strike.name] += 1
            self.cut.setdefault(played.scenario, set()).add(strike.step)
        self.causes.update(played.causes)
        if played.violations:
            self.violations += 1
            self.found = sorted([*self.found, played], key=lambda each: each.seed)[:KEPT_VIOLATIONS]

    def merge(self, other: Batch) -> None:
        self.histories += other.histories
        self.steps += other.steps
        self.struck += other.struck
        self.causes += other.causes
        self.violations += other.violations
        for scenario, steps in other.cut.items():
            self.cut.setdefault(scenario, set()).update(steps)
        self.found = sorted([*self.found, *other.found], key=lambda each: each.seed)[:KEPT_VIOLATIONS]


def run(*, seconds: float, processes: int, first: int = 0, most: int | None = None) -> Batch:
    """Play histories `first` and on, until time is up or `most` are played."""
    whole = Batch()
    shares = [(seconds, first + number, processes, most) for number in range(processes)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for share in pool.imap_unordered(_share, shares):
            whole.merge(share)
    return whole


def _share(told: tuple[float, int, int, int | None]) -> Batch:
    seconds, first, every, most = told
    logging.disable(logging.CRITICAL)
    gc.disable()  # a fifth of the time otherwise; what a history leaves in cycles is little
    gc.freeze()  # what is there before the first history stays, and need not be looked through
    ends_at = time.monotonic() + seconds
    batch, seed = Batch(), first
    while time.monotonic() < ends_at and (most is None or seed < first - first % every + most):
        batch.add(play(seed))
        seed += every
        if not batch.count % COLLECTED_EVERY:
            gc.collect()
    return batch
