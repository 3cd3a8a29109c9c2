"""What can strike at any step: its machine dies or sleeps, and messages are lost on the way."""

from __future__ import annotations

from collections.abc import Callable

from service.domain.outcomes import Unknown
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task

Fault = Callable[[Cluster, Task, Step], bool]

BACK_MS = 3_000
SHORT_MS = 5_000
LAPSE_MS = 20_000
"""Longer than a lease, shorter than lease and settle time."""
LONG_MS = 60_000
MINUTES_MS = 300_000


def kept_back(cluster: Cluster, task: Task, step: Step) -> bool:
    """Whether the last check before the first byte (rule 8) keeps the step from leaving."""
    instead = step.last_check() if step.last_check else None
    if instead is not None:
        cluster.simulation.tell_of(step, f"kept back, {instead}")
        cluster.simulation.reply(task, instead)
    return instead is not None


def killed_before(cluster: Cluster, task: Task, step: Step) -> bool:
    if not task.node.mortal:
        return lost_before(cluster, task, step)
    cluster.kill(task.node, BACK_MS)
    return True


def killed_after(cluster: Cluster, task: Task, step: Step) -> bool:
    """The request left; nobody hears the answer."""
    if not task.node.mortal:
        return lost_after(cluster, task, step)
    if kept_back(cluster, task, step):
        return True
    simulation = cluster.simulation
    simulation.at(simulation.now + simulation.latency(step), lambda: simulation.take_effect(step))
    cluster.kill(task.node, BACK_MS)
    return True


def killed_hearing(cluster: Cluster, task: Task, step: Step) -> bool:
    """Killed right after it took effect, for long: only others can go on."""
    if not task.node.mortal:
        return lost_after(cluster, task, step)
    if kept_back(cluster, task, step):
        return True
    simulation = cluster.simulation

    def act() -> None:
        simulation.take_effect(step)
        if task.node.life == task.life and task.node.alive:
            cluster.kill(task.node, LONG_MS)

    simulation.at(simulation.now + simulation.latency(step), act)
    return True


def lost_before(cluster: Cluster, task: Task, step: Step) -> bool:
    cluster.simulation.tell_of(step, "lost before it arrived")
    cluster.world.tried.add(step.about)
    answer = Unknown("reset by peer") if step.kind == "send" else step.lost(True)
    cluster.simulation.reply(task, answer, cluster.rng.choice((5, 2_000)))
    return True


def lost_after(cluster: Cluster, task: Task, step: Step) -> bool:
    simulation = cluster.simulation
    if kept_back(cluster, task, step):
        return True

    def act() -> None:
        simulation.take_effect(step, "; the answer is lost")
        simulation.reply(task, step.lost(True), cluster.rng.choice((5, 4_000)))

    simulation.at(simulation.now + simulation.latency(step), act)
    return True


def suspended(ms: int) -> Fault:
    def before(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        simulation.suspend(task.node, ms)
        simulation.at(simulation.now + ms, lambda: simulation.leave(task, step), task.node)
        return True

    return before


def suspended_after(ms: int) -> Fault:
    def after(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        if kept_back(cluster, task, step):
            return True

        def act() -> None:
            answer = simulation.take_effect(step)
            simulation.suspend(task.node, ms)
            simulation.reply(task, answer)

        simulation.at(simulation.now + simulation.latency(step), act)
        return True

    return after
