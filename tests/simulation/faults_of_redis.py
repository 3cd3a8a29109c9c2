"""What can strike when Redis is asked: it is away, starts anew, forgets, or does things late or twice."""

from __future__ import annotations

from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.faults_of_steps import lost_before
from tests.simulation.ledger_twin import QUEUE_KEY

FORGOTTEN_MS = 5_000
JUMPS_MS = (3_000, 40_000, 3_600_000)


def bells_flushed(cluster: Cluster, task: Task, step: Step) -> bool:
    cluster.simulation.tell("redis", "RQ's queue is flushed")
    cluster.server.call("DEL", QUEUE_KEY)
    return False


def redis_restarts(cluster: Cluster, task: Task, step: Step) -> bool:
    cluster.restart_redis(None)
    return False


def redis_away(cluster: Cluster, task: Task, step: Step) -> bool:
    """This question, and for two seconds every other, is answered by nobody."""
    simulation = cluster.simulation
    back_at, strike = simulation.now + 2_000, simulation.strike
    simulation.tell("redis", "is away for 2 s")

    def everything(other: Task, asked: Step, number: int) -> bool:
        if simulation.now >= back_at:
            simulation.strike = strike
            return strike(other, asked, number)
        if asked.kind in {"read", "send"}:
            return strike(other, asked, number)
        return lost_before(cluster, other, asked)

    simulation.strike = everything
    return step.kind not in {"read", "send"} and lost_before(cluster, task, step)


def clock_jumps_ahead(cluster: Cluster, task: Task, step: Step) -> bool:
    """What waits for its settle time is settled too soon: nobody can rule out what comes of that."""
    for event in cluster.events:
        cluster.causes.setdefault(event.id, "redis_clock_jumped_ahead")
    return _jump(cluster, cluster.rng.choice(JUMPS_MS))


def clock_jumps_back(cluster: Cluster, task: Task, step: Step) -> bool:
    """All that is due is late by that."""
    return _jump(cluster, -cluster.rng.choice(JUMPS_MS))


def _jump(cluster: Cluster, ms: int) -> bool:
    cluster.redis_jumps(ms)
    return False


def runs_twice(cluster: Cluster, task: Task, step: Step) -> bool:
    """The client repeats what was done already, since it did not hear of it."""
    simulation = cluster.simulation

    def first() -> None:
        simulation.take_effect(step, "; the answer is lost, the client repeats it")
        simulation.at(simulation.now + 50, lambda: simulation.arrive(task, step))

    simulation.at(simulation.now + simulation.latency(step), first)
    return True


def runs_again_later(cluster: Cluster, task: Task, step: Step) -> bool:
    """A client that lost its connection repeated it; what lay in the old connection takes effect as well."""
    if step.kind == "bell":
        return runs_twice(cluster, task, step)
    simulation = cluster.simulation
    late_ms = cluster.rng.choice((3, 60, 300, 2_000, 15_000))
    simulation.at(simulation.now + late_ms, lambda: simulation.take_effect(step, " (again)") and None)
    return False


def runs_late(cluster: Cluster, task: Task, step: Step) -> bool:
    """It lies in a socket until long after its asker gave it up."""
    if step.kind == "bell":
        return lost_before(cluster, task, step)
    simulation = cluster.simulation
    simulation.tell_of(step, "no answer, and under way for long")
    simulation.reply(task, step.lost(True), 5)
    late_ms = cluster.rng.choice((100, 2_000, 20_000))
    simulation.at(simulation.now + late_ms, lambda: simulation.take_effect(step, " (late)") and None)
    return True


def redis_forgets(cluster: Cluster, task: Task, step: Step) -> bool:
    """Redis confirms this step, and goes down before it and some before it are on disk."""
    simulation = cluster.simulation
    lately = [each for ms, each in cluster.snapshots if ms >= simulation.now - FORGOTTEN_MS]
    forgotten = lately[-min(len(lately), cluster.rng.randrange(1, 7))]

    def act() -> None:
        simulation.reply(task, simulation.take_effect(step))
        cluster.restart_redis(forgotten)

    simulation.at(simulation.now + simulation.latency(step), act)
    return True
