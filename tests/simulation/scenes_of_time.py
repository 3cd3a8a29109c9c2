"""Retention removes what is done, at any step, and helpdesks repeat it."""

from __future__ import annotations

from service.ledger.retention import Terms
from tests.simulation.cluster import Cluster
from tests.simulation.scenarios import Scenario
from tests.simulation.scenes_of_replies import burst

MINUTE_MS = 60_000
TERMS = Terms(done_ms=10 * MINUTE_MS, dead_ms=10 * MINUTE_MS)


def _removed_and_repeated(cluster: Cluster) -> None:
    """All repeats come while some are removed, or after that; another reply of the thread comes last."""
    cluster.server.call("SET", "reopener:salt", "salt")
    burst(cluster)
    for event in cluster.events:
        for minute in (11, 12, 13):
            cluster.again(event, at_ms=minute * MINUTE_MS + cluster.rng.randrange(2_000))
    for _ in range(5):
        cluster.retire(TERMS, at_ms=11 * MINUTE_MS + cluster.rng.randrange(2_000))
    cluster.event("late", at_ms=14 * MINUTE_MS)


SCENES = (Scenario("removed, and repeated", _removed_and_repeated),)
