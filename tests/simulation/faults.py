"""What can strike at a step: before it leaves, while it is under way, or after it took effect.

Each fault is told the task and its step, and answers whether it took the step into its own hands. Where a
fault can do what docs/protocol.md says nobody can rule out, it notes the cause with the reopen it struck;
where it gives a right to an end in a person's hands (a refusal, say), it notes that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import Done, Misplaced, NotSent, Refused, Throttled, Unauthorized, Unknown
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.ledger_twin import QUEUE_KEY

Fault = Callable[[Cluster, Task, Step], bool]

BACK_MS = 3_000
FORGOTTEN_MS = 5_000
SHORT_MS = 5_000
LAPSE_MS = 20_000
"""Longer than a lease, shorter than lease and settle time."""
LONG_MS = 60_000
MINUTES_MS = 300_000


def _kept_back(cluster: Cluster, task: Task, step: Step) -> bool:
    """Whether the last check before the first byte (rule 8) keeps the step from leaving."""
    instead = step.last_check() if step.last_check else None
    if instead is not None:
        cluster.simulation.tell_of(step, f"kept back, {instead}")
        cluster.simulation.reply(task, instead)
    return instead is not None


# Of any step.


def killed_before(cluster: Cluster, task: Task, step: Step) -> bool:
    if not task.node.mortal:
        return lost_before(cluster, task, step)
    cluster.kill(task.node, BACK_MS)
    return True


def killed_after(cluster: Cluster, task: Task, step: Step) -> bool:
    """The request left; nobody hears the answer."""
    if not task.node.mortal:
        return lost_after(cluster, task, step)
    if _kept_back(cluster, task, step):
        return True
    simulation = cluster.simulation
    simulation.at(simulation.now + simulation.latency(step), lambda: simulation.take_effect(step))
    cluster.kill(task.node, BACK_MS)
    return True


def killed_hearing(cluster: Cluster, task: Task, step: Step) -> bool:
    """Killed right after it took effect, for long: only others can go on."""
    if not task.node.mortal:
        return lost_after(cluster, task, step)
    if _kept_back(cluster, task, step):
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
    if _kept_back(cluster, task, step):
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
        if _kept_back(cluster, task, step):
            return True

        def act() -> None:
            answer = simulation.take_effect(step)
            simulation.suspend(task.node, ms)
            simulation.reply(task, answer)

        simulation.at(simulation.now + simulation.latency(step), act)
        return True

    return after


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


# Of what is asked of Redis.


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


# Of calls that write to Acquire.


def answers(make: Callable[[], Any], *, acts: bool, excuse: str | None = None) -> Fault:
    """Acquire, or a proxy before it, gives this answer, and acts or does not."""

    def instead(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        if _kept_back(cluster, task, step):
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
    if _kept_back(cluster, task, step):
        return True
    simulation.tell_of(step, f"no answer; Acquire acts {late_ms / 1000:g} s later")
    simulation.reply(task, Unknown("timed out"), 5)
    simulation.at(simulation.now + late_ms, lambda: simulation.take_effect(step, " (late)") and None)
    return True


def suspended_in_between(ms: int) -> Fault:
    """The machine sleeps between the last check and the first byte."""

    def between(cluster: Cluster, task: Task, step: Step) -> bool:
        simulation = cluster.simulation
        if _kept_back(cluster, task, step):
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


# Of reads.


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


ANY: dict[str, Fault] = {
    "killed before": killed_before,
    "killed after": killed_after,
    "killed hearing the answer": killed_hearing,
    "lost before": lost_before,
    "lost after": lost_after,
    "suspended for 5 s": suspended(SHORT_MS),
    "suspended for 60 s": suspended(LONG_MS),
    "suspended for 20 s after": suspended_after(LAPSE_MS),
    "suspended for 60 s after": suspended_after(LONG_MS),
    "Redis restarts": redis_restarts,
    "Redis is away": redis_away,
    "bells flushed": bells_flushed,
}
KILLS = {"killed before", "killed after", "killed hearing the answer"}
TO_REDIS: dict[str, Fault] = {
    **ANY,
    "runs twice": runs_twice,
    "runs late": runs_late,
    "runs again later": runs_again_later,
}
FORGETS: dict[str, Fault] = {"Redis forgets": redis_forgets}
TO_READ: dict[str, Fault] = {**ANY, "throttled": read_throttled, "key refused": key_refused}
TO_SEND: dict[str, Fault] = {
    **ANY,
    "not sent": answers(lambda: NotSent("cannot connect"), acts=False),
    "500 without acting": answers(lambda: Unknown("HTTP 500", 500), acts=False),
    "a proxy's 503 after acting": answers(lambda: Unknown("HTTP 503", 503), acts=True),
    "an unreadable 2xx": answers(lambda: Unknown("the answer is unreadable", 200), acts=True),
    "throttled": answers(lambda: Throttled(429, 3.0), acts=False),
    "key refused": key_refused,
    "refused for good": answers(lambda: Refused(422, "no"), acts=False, excuse="dead"),
    "acts within the settle time": acts_late,
    "acts after the settle time": acts_too_late,
    "suspended for 5 s before the write": suspended_in_between(SHORT_MS),
    "suspended for minutes before the write": suspended_in_between(MINUTES_MS),
    "acts on another thread": acts_elsewhere,
    "names a known case": names_a_known_case,
}


def faults_of(step: Step) -> dict[str, Fault]:
    match step.kind:
        case "read":
            return TO_READ
        case "send":
            return TO_SEND
        case _:
            return TO_REDIS
