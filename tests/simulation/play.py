"""Plays one history from its number: a scenario, and the steps at which something strikes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from tests.simulation import check
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.events import Strike
from tests.simulation.faults import FORGETS, KILLS, faults_of
from tests.simulation.meddling import MEDDLING
from tests.simulation.scenarios import Scenario, all_scenarios

HORIZON_MS = 40 * 86_400_000
SCENARIOS = all_scenarios()
ONE_IN_SINGLE = 8
"""One history in so many has one fault only."""


@dataclass(slots=True)
class Played:
    """What came of one history."""

    seed: int
    scenario: str
    steps: int
    struck: list[Strike]
    violations: list[str]
    causes: list[str]
    story: list[str] = field(default_factory=list)


def play(seed: int, *, tells: bool = False, scenarios: tuple[Scenario, ...] = SCENARIOS) -> Played:
    """History number `seed`. The first fault goes through every step and every kind in turn, the second is
    drawn: so `len(scenarios) * steps * kinds` numbers hold a cut of every kind at every step.
    """
    scenario = scenarios[seed % len(scenarios)]
    turn = seed // len(scenarios)
    rng = random.Random(seed)
    steps = steps_without_faults(scenario)
    first = turn % steps
    strikes = {first: turn // steps}
    if rng.randrange(ONE_IN_SINGLE) and not scenario.alone:
        strikes[first + 1 + int(rng.expovariate(rng.choice((2 / steps, 0.5))))] = rng.randrange(10_000)
    return _played(scenario, seed, rng, strikes, tells=tells)


def play_struck(
    scenario: Scenario, strikes: Mapping[int, str], *, seed: int = 0, tells: bool = False
) -> Played:
    """The history in which these faults, by name, strike at these steps."""
    return _played(scenario, seed, random.Random(seed), dict(strikes), tells=tells)


def _played(
    scenario: Scenario, seed: int, rng: random.Random, strikes: Mapping[int, int | str], *, tells: bool
) -> Played:
    cluster = Cluster(rng, scenario.policy, scenario.manner(), tells=tells)
    struck = cluster.struck
    meddling = {name: MEDDLING[name] for name in scenario.meddling}
    forgets = FORGETS if scenario.forgets else {}
    last = max(strikes, default=-1)

    def strike(task: Task, step: Step, number: int) -> bool:
        if forgets and number <= last and step.kind in {"ledger", "admit", "bell"}:
            cluster.keep_snapshot()
        if scenario.always is not None and scenario.always(cluster, task, step):
            return True
        pick = strikes.get(number)
        if pick is None:
            return False
        kinds = {**faults_of(step), **(forgets if step.kind in {"ledger", "admit"} else {}), **meddling}
        name = pick if isinstance(pick, str) else list(kinds)[pick % len(kinds)]
        struck.append(Strike(number, step.kind, name))
        if tells:
            cluster.simulation.tell("FAULT", f"{name}, at step {number}: {step.told()}")
        return name in kinds and kinds[name](cluster, task, step)

    cluster.simulation.strike = strike
    scenario.begin(cluster)
    _run(cluster)
    if check.doubled(cluster):
        _look_once_more(cluster)
    struck_hard = not scenario.harmless.issuperset(strike.name for strike in struck)
    allowed = scenario.allowed if struck_hard or not scenario.harmless else frozenset()
    wrong = [*check.violations(cluster, scenario, allowed), *scenario.expect(cluster)]
    if scenario.always is None and [strike.name in KILLS for strike in struck] == [True]:
        wrong += check.late_looks(cluster)
    causes = [check.cause_of(cluster, effects) for effects in check.doubled(cluster).values()]
    causes += ["said_before_redis_was_set_back"] * len(check.said_before(cluster))
    played = Played(
        seed,
        scenario.name,
        cluster.simulation.steps,
        struck,
        wrong,
        [cause for cause in causes if cause],
        _with_names(cluster),
    )
    cluster.end()
    return played


def _with_names(cluster: Cluster) -> list[str]:
    """The story with the events' names in the place of their ids."""
    story = cluster.simulation.story
    for event in cluster.events if story else ():
        story = [line.replace(event.admission.reopen_id, event.admission.event_id) for line in story]
    return story


def _run(cluster: Cluster) -> None:
    if not cluster.simulation.run(cluster.simulation.now + HORIZON_MS):
        cluster.simulation.errors.append("stuck: it goes on and on")


def _look_once_more(cluster: Cluster) -> None:
    """What nobody could rule out must show at a later look: a later reply of the same thread brings one."""
    cluster.simulation.strike = lambda task, step, number: False
    for thread_id in sorted({effect.thread_id for effect in cluster.world.done}):
        cluster.event(f"later reply {thread_id}", at_ms=cluster.simulation.now + 60_000, thread_id=thread_id)
    _run(cluster)


@cache
def steps_without_faults(scenario: Scenario) -> int:
    return _played(scenario, 0, random.Random(0), {}, tells=False).steps
