"""The histories' beginnings: what a customer, agents and people do. What strikes is chosen elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.reopens import Policy
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import CONTACT, Cluster

DAY_MS = 86_400_000
DEFAULTS = Policy()


@dataclass(frozen=True, slots=True)
class Scenario:
    """`allowed` are ends, besides an effect, that events of it may come to: a status, or `status:reason`.
    `meddling` names what others may do in Acquire at any step (faults.MEDDLING).
    """

    name: str
    play: Callable[[Cluster], None]
    manner: Callable[[], Manner] = Manner
    policy: Policy = DEFAULTS
    allowed: frozenset[str] = frozenset()
    meddling: tuple[str, ...] = ()
    forgets: bool = False
    """Redis may forget its last moments."""


def _single(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.event("A")


def _burst(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    for number, name in enumerate("ABCD"):
        cluster.event(name, at_ms=number * 40)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("single", _single),
    Scenario("single, with meddling", _single, meddling=("agent reopens", "widget writes", "cases close")),
    Scenario("burst", _burst),
    Scenario("burst, forgotten", _burst, forgets=True),
)
