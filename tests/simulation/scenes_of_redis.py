"""Redis forgets its last moments while nothing else goes wrong: who wrote them writes them once more."""

from __future__ import annotations

from collections.abc import Callable

from service.domain.outcomes import Misplaced
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.scenarios import Scenario
from tests.simulation.scenes_of_acquire import UNREADABLE
from tests.simulation.scenes_of_replies import HOUR_MS, burst, one, two

FORGETTING = "Redis forgets"


def first_call_acts_elsewhere(cluster: Cluster, task: Task, step: Step) -> bool:
    """The first call is answered for another thread: it must never be made again."""
    if step.kind != "send" or cluster.excuses:
        return False
    cluster.excuse(step, "held")
    simulation = cluster.simulation
    simulation.tell_of(step, "answered for another thread")
    simulation.reply(task, Misplaced(9_999, 999), simulation.latency(step))
    return True


def _never_sent_again(cluster: Cluster) -> list[str]:
    """Where its worker lives: who died with the answer could tell nobody."""
    if any(struck.name != FORGETTING for struck in cluster.struck):
        return []
    return [f"twice: {done.reopen_id} was sent again" for done in cluster.world.done]


def _unseen(name: str, begin: Callable[[Cluster], None]) -> Scenario:
    """Acquire shows no words, so nothing that was forgotten can be found there."""
    return Scenario(
        name,
        begin,
        lambda: Manner(textless=True),
        forgets=True,
        alone=True,
        allowed=UNREADABLE,
        harmless=frozenset({FORGETTING}),
    )


def _clock_off(cluster: Cluster) -> None:
    """Redis' clock is wrong by an hour all along: Acquire's dates do not tell what a call made."""
    cluster.redis_ahead_ms = HOUR_MS
    burst(cluster)


def _clock_off_when_it_forgets(cluster: Cluster) -> None:
    """Nobody can rule out what comes of that."""
    _clock_off(cluster)
    for event in cluster.events:
        cluster.causes[event.id] = "redis_clock_off"


SCENES = (
    _unseen("no words shown, and Redis forgets", one),
    _unseen("no words of a burst shown, and Redis forgets", burst),
    _unseen("no words of two replies shown, and Redis forgets", two),
    Scenario(
        "acted elsewhere, and Redis forgets",
        one,
        forgets=True,
        alone=True,
        always=first_call_acts_elsewhere,
        expect=_never_sent_again,
    ),
    Scenario(
        "Redis' clock is off, and Redis forgets",
        _clock_off_when_it_forgets,
        forgets=True,
        allowed=UNREADABLE,
    ),
    Scenario(
        "Redis' clock is off, and the list comes and goes",
        _clock_off,
        lambda: Manner(list_down_until_ms=6_000),
        allowed=UNREADABLE,
    ),
)
