"""Connections follow the master: whatever stands behind an address or behind sentinels."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
import redis
import uvloop

from service.clock import SystemClock
from service.connections import async_client, sync_client
from service.domain.errors import LedgerUnavailable
from service.domain.reopens import Policy
from service.embedded import find_server
from service.ledger import open_ledger
from service.ledger.scripts import Scripts
from service.queue import Bells
from tests.edge.events import event
from tests.redises import Endpoint, Node, endpoint, node, replicates, watched


@pytest.fixture
def pair(tmp_path) -> Iterator[tuple[Node, Node]]:
    with node(find_server(), tmp_path / "a") as first, node(find_server(), tmp_path / "b") as second:
        replicates(second, first)
        yield first, second


def change_over(pair: tuple[Node, Node], address: Endpoint) -> None:
    """Make the second the master, and have the address lead to it."""
    first, second = pair
    with second.client() as client:
        client.replicaof("NO", "ONE")
    replicates(first, second)
    address.port_behind = second.port


async def test_scripts_leave_a_master_that_was_demoted(pair):
    """A script that meets a replica closes the connection, and the next one reaches the new master."""
    with endpoint(pair[0]) as address:
        connection = async_client(address.url, for_answers=True)
        scripts = Scripts(connection)
        try:
            await scripts.run("evict", "1", "nobody:0")
            await connection.hset("reopener:leases", "1", "somebody:0:0")
            change_over(pair, address)
            with pytest.raises(LedgerUnavailable):
                await scripts.run("evict", "1", "somebody:0:0")
            assert await scripts.run("evict", "1", "somebody:0:0") == 1
        finally:
            await connection.aclose()


def test_rqs_connection_leaves_it_too(pair):
    """What RQ writes with reaches the new master as well, by itself."""
    with endpoint(pair[0]) as address, sync_client(address.url) as connection:
        connection.set("before", "1")
        change_over(pair, address)
        connection.set("after", "1")
        with pair[1].client() as client:
            assert client.get("after") == "1"


@pytest.mark.parametrize("dead", ["refusing", "silent"])
def test_a_dead_sentinel_is_passed_over(tmp_path, dead):
    """A sentinel that is gone, or that takes connections and says nothing, is given up on in a moment."""
    with (
        watched(find_server(), tmp_path, replicas=1) as redises,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        first = silent.getsockname()[1] if dead == "silent" else 1
        hosts = f"127.0.0.1:{first},127.0.0.1:{redises.sentinels[0].port}"
        with sync_client(f"redis+sentinel://{hosts}/main") as connection:
            assert connection.set("key", "1")


async def test_a_promoted_replica_is_never_taken_for_durable(pair):
    """A master that forgets nothing was noted as such; the replica in its place may have forgotten."""
    first, second = pair
    for server in pair:
        connection = async_client(server.url)
        ledger = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
        await ledger.admissions.admit([event(f"at-{server.port}")])
        assert bool(await connection.hget("reopener:account", "quarantine_until")) is (server is second)
        await connection.hset("reopener:account", "durable", "1")
        assert await connection.wait(1 if server is first else 0, 5_000) == int(server is first)
        await connection.aclose()
        with second.client() as client:
            client.replicaof("NO", "ONE")


async def test_a_user_without_the_command_client_is_enough(tmp_path):
    """Where Redis permits its user no CLIENT, receivers and RQ's connection work all the same."""
    with node(find_server(), tmp_path) as server:
        with server.client() as admin:
            rules = ("on", ">pass", "~*", "&*", "+@all", "-@dangerous", "+info", "-client")
            admin.execute_command("ACL", "SETUSER", "reopener", *rules)
        url = server.url.replace("//", "//reopener:pass@")
        connection = async_client(url, for_answers=True)
        try:
            assert await Scripts(connection).run("evict", "1", "nobody:0") == 0
        finally:
            await connection.aclose()
        with sync_client(url) as of_rq:
            assert of_rq.set("key", "1")


def test_a_redis_that_reads_nothing_is_given_up(monkeypatch):
    """A command that cannot be written in time fails, and its connection is not used again."""
    monkeypatch.setattr("service.connections.ANSWER_SECONDS", 0.2)

    async def told() -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            client = async_client(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0?protocol=2", for_answers=True)
            pool = client.connection_pool
            connection = pool.make_connection()
            reader, writer = await asyncio.open_connection(*deaf.getsockname())
            connection._reader, connection._writer = reader, writer
            connection._parser.on_connect(connection)
            assert connection.is_connected
            with pytest.raises(redis.TimeoutError):
                await connection.send_packed_command([b"x" * 50_000_000])
            assert not connection.is_connected
            assert connection.socket_timeout == 0.2
            await client.aclose()

    # On the loop that we run on: asyncio's own, in Python 3.13.0, does not say when a socket is full.
    uvloop.run(told())
