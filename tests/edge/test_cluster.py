"""Redis in cluster mode, of which docs/deploy.md says that it does not work; with all slots on one server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from service.clock import SystemClock
from service.domain.errors import NotAdmitted
from service.domain.reopens import Policy
from service.embedded import find_server
from service.ledger import open_ledger
from service.queue import Bells
from tests.edge.test_retention import event
from tests.redises import Node, free_port, node
from tests.running import until

SLOTS = 16_384


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Node]:
    with node(find_server(), tmp_path, "--cluster-enabled", "yes", port=_port()) as started:
        client = started.client()
        client.execute_command("CLUSTER ADDSLOTS", *range(SLOTS))
        until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        client.close()
        yield started


def _port() -> int:
    """A free one; servers of a cluster speak with each other ten thousand above it."""
    while (port := free_port()) + 10_000 > 65_535:
        pass
    return port


async def test_a_cluster_is_refused_and_keeps_nothing_of_a_delivery(cluster: Node):
    """A delivery is not admitted, and nothing of it stays: it can be sent again to a Redis that works."""
    async with redis.asyncio.Redis.from_url(cluster.url) as connection:
        ledger = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
        with pytest.raises(NotAdmitted, match=r"CROSSSLOT|cluster node"):
            await ledger.admissions.admit([event(1)])
        assert not await connection.keys("reopener:r:*")
        assert not await connection.keys("reopener:is:*")
