"""What can strike when Acquire is asked: it answers otherwise, acts late, elsewhere, or on nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import Done, Misplaced, Unauthorized, Unknown
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.faults_of_steps import MINUTES_MS, Fault, kept_back


def answers(make: Callable[[], Any], *, acts: bool, excuse: str | None = None) -> Fault:
    """Acquire, or a proxy before it, gives this answer, and acts or does not."""

    def instead(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        if kept_back(cluster, task, step):
            return True
        if excuse:
            cluster.excuse(step, excuse)

        def act() -> None:
            if acts:
                simulation.take_effect(step)
            answer = make()
            simulation.tell("acquire", f"answers {answer}")
            simulation.reply(task, answer)

        simulation.at(simulation.now + simulation.latency(step), act)
        return True

    return instead


def acts_late(cluster: Cluster, task: Task, step: Step) -> bool:
    """The answer is lost now, the effect comes within the settle time."""
    return _late(cluster, task, step, cluster.rng.randrange(500, cluster.latest_action_ms()))


def acts_too_late(cluster: Cluster, task: Task, step: Step) -> bool:
    """The effect comes after every look that was taken for it: nobody can rule that out."""
    cluster.blame(step, "acted_too_late")
    return _late(cluster, task, step, cluster.policy.lease_ms + cluster.policy.settle_ms + MINUTES_MS)


def _late(cluster: Cluster, task: Task, step: Step, late_ms: int) -> bool:
    simulation = cluster.simulation
    if kept_back(cluster, task, step):
        return True
    simulation.tell_of(step, f"no answer; Acquire acts {late_ms / 1000:g} s later")
    simulation.reply(task, Unknown("timed out"), 5)
    simulation.at(simulation.now + late_ms, lambda: simulation.take_effect(step, " (late)") and None)
    return True


def suspended_in_between(ms: int) -> Fault:
    """The machine sleeps between the last check and the first byte."""

    def between(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        if kept_back(cluster, task, step):
            return True
        checked_ms = simulation.now

        def write() -> None:
            if simulation.now - checked_ms > cluster.policy.settle_ms:
                cluster.blame(step, "suspended_before_the_write")
            simulation.arrive(task, step)

        simulation.suspend(task.node, ms)
        simulation.at(simulation.now + ms + 1, write, task.node)
        return True

    return between


def acts_elsewhere(cluster: Cluster, task: Task, step: Step) -> bool:
    """A 2xx for another thread."""
    cluster.excuse(step, "held")
    return answers(lambda: Misplaced(9_999, 999), acts=False)(cluster, task, step)


def names_a_known_case(cluster: Cluster, task: Task, step: Step) -> bool:
    """A 2xx with the id of a case that was there before."""
    cluster.excuse(step, "held")
    return answers(lambda: Done(100, 100), acts=False)(cluster, task, step)


def read_throttled(cluster: Cluster, task: Task, step: Step) -> bool:
    failure = ReadFailed("HTTP 429", http_status=429, retry_after_seconds=3.0)
    cluster.simulation.tell("acquire", "answers 429")
    cluster.simulation.reply(task, failure)
    return True


def key_refused(cluster: Cluster, task: Task, step: Step) -> bool:
    cluster.simulation.tell("acquire", "answers 401")
    refused = AccountRefused("HTTP 401", http_status=401)
    cluster.simulation.reply(task, refused if step.kind == "read" else Unauthorized(401, "bad key"))
    return True
