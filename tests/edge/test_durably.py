"""What `[redis]` asks of replicas and disks is waited for before an answer, and before a call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import httpx
import pytest
from redis import Redis

from service.clock import SystemClock
from service.connections import async_client
from service.domain.errors import NotConfirmed
from service.domain.reopens import Policy
from service.embedded import find_server
from service.ledger import open_ledger
from service.ledger.durably import Durably, Wait
from service.queue import Bells
from tests.edge.events import event
from tests.redises import Node, node, replicates, valkey
from tests.running import Site, account_on, environment, process, sandbox, site_on, until

PATIENCE_MS = 300
LIMIT_SECONDS = 2.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory) -> Iterator[tuple[Node, Node]]:
    """A master and its replica."""
    folder = tmp_path_factory.mktemp("servers")
    with node(valkey(), folder / "master") as master, node(valkey(), folder / "replica") as replica:
        replicates(replica, master)
        yield master, replica


@pytest.fixture
def master(servers: tuple[Node, Node]) -> Node:
    with servers[0].client() as client:
        client.flushdb()
        client.config_set("appendfsync", "everysec")
    return servers[0]


@pytest.fixture
def replica(servers: tuple[Node, Node]) -> Iterator[Node]:
    yield servers[1]
    servers[1].thaw()


@pytest.fixture
def copied(master: Node, tmp_path) -> Iterator[Site]:
    """A site that waits for one replica."""
    with site_on(environment(tmp_path, master.url, **waiting(REPLICAS="1"))) as site:
        yield site


def waiting(**variables: str) -> dict[str, str]:
    told = {"TIMEOUT_MS": str(PATIENCE_MS), **variables}
    return {f"REOPENER_WAIT_{name}": value for name, value in told.items()}


def unconfirmed(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_confirmed")
    assert 0 < int(answer.headers["retry-after"]) < 60
    assert answer.elapsed.total_seconds() < LIMIT_SECONDS


def test_the_replica_has_what_is_answered(master: Node, replica: Node, tmp_path):
    """An answer waits until the replica has what it tells of."""
    patient = waiting(REPLICAS="1", TIMEOUT_MS="1400")
    with (
        site_on(environment(tmp_path, master.url, **patient)) as site,
        replica.client() as client,
        ThreadPoolExecutor(1) as pool,
    ):
        replica.freeze()
        answer = pool.submit(site.deliver, event_id="e0")
        assert not wait([answer], timeout=0.3).done
        replica.thaw()
        assert answer.result().status_code == 200
        assert client.exists(f"reopener:r:{answer.result().json()['reopen_id']}")


def test_a_replica_that_is_behind(copied: Site, replica: Node):
    """Without the replica all are told to send again, in time; when it is back each counts once."""
    assert copied.deliver(event_id="before").status_code == 200
    replica.freeze()
    unconfirmed(copied.deliver(event_id="e0"))
    unconfirmed(copied.deliver(event_id="e0"))
    with ThreadPoolExecutor(20) as pool:
        for answer in pool.map(lambda number: copied.deliver(event_id=f"e{number}"), range(40)):
            unconfirmed(answer)
    assert copied.client.get("/readyz").status_code == 503
    replica.thaw()
    until(lambda: copied.client.get("/readyz").status_code == 200)
    assert copied.deliver(event_id="e0").json()["status"] == "duplicate"
    assert copied.stats()["accepted"] == 41
    assert copied.stats()["balanced"]


def test_what_was_written_earlier_is_waited_for(master: Node, replica: Node):
    """A delivery that is stored already, though nobody confirmed it, is not confirmed by writing nothing."""

    async def admit_alone() -> None:
        connection = async_client(master.url)
        wait = Wait(replicas=1, aof=False, timeout_ms=PATIENCE_MS)
        ledger = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy(), wait=wait)
        try:
            await ledger.admissions.admit([event("one")])
        finally:
            await connection.aclose()

    replica.freeze()
    for _ in range(3):
        with pytest.raises(NotConfirmed):
            asyncio.run(admit_alone())
    replica.thaw()
    asyncio.run(admit_alone())


def test_the_disk_has_what_is_answered(master: Node, tmp_path):
    """With `wait_aof` a Redis that does not sync its file is told as one that has not stored it."""
    with site_on(environment(tmp_path, master.url, **waiting(AOF="1"))) as site, master.client() as client:
        client.config_set("appendfsync", "always")
        assert site.deliver(event_id="e0").status_code == 200
        client.config_set("appendfsync", "no")
        unconfirmed(site.deliver(event_id="e1"))
        client.config_set("appendfsync", "always")
        assert site.deliver(event_id="e1").json()["status"] == "duplicate"


def test_a_redis_that_cannot_confirm(tmp_path):
    """A Redis that refuses to wait for its disk confirms nothing, and its answers stay in step."""
    with (
        node(find_server(), tmp_path / "redis", "--appendonly", "no") as server,
        site_on(environment(tmp_path, server.url, **waiting(AOF="1"))) as site,
    ):
        for _ in range(3):
            unconfirmed(site.deliver(event_id="e0"))
        assert site.stats()["accepted"] == 1


async def test_an_answer_that_comes_too_late_is_not_taken_for_another(master: Node, replica: Node):
    """A Redis that hangs while a write is being confirmed: that one is not, and those after it get answers of
    their own.
    """
    connection = async_client(master.url)
    echo = connection.register_script("return ARGV[1]")
    durably = Durably(connection, Wait(replicas=1, aof=False, timeout_ms=PATIENCE_MS))
    try:
        _, confirm = await durably.run(echo, ["first"])
        replica.freeze()
        with master.client() as client:
            confirming = asyncio.create_task(confirm())
            await asyncio.to_thread(until, lambda: client.info("clients")["blocked_clients"])
            master.freeze()
        with pytest.raises(NotConfirmed):
            await confirming
        master.thaw()
        replica.thaw()
        for words in ("second", "third"):
            answer, confirm = await durably.run(echo, [words])
            await confirm()
            assert answer == words.encode()
    finally:
        master.thaw()
        await connection.aclose()


def test_what_may_be_forgotten_is_not_sent(master: Node, replica: Node, tmp_path):
    """While no replica has the intent, Acquire is not called; then it is, once, and no attempt was spent."""
    with sandbox(tmp_path) as acquire:
        variables = environment(tmp_path, master.url, **account_on(acquire))
        with (
            site_on(variables) as site,
            process("-m", "workers", variables=variables | waiting(REPLICAS="1"), log=tmp_path / "log"),
        ):
            until(lambda: site.stats().get("workers"))
            replica.freeze()
            reopen_id = site.deliver().json()["reopen_id"]
            seen = until(lambda: with_reason(site.reopen(reopen_id), "not_confirmed"))
            assert (seen["status"], seen["attempts"]) == ("retrying", [])
            cases = acquire.get("/_sandbox/cases", params={"thread_id": 1683}).json()["cases"]
            assert [case["id"] for case in cases] in ([], [1683])
            replica.thaw()
            done = site.until(reopen_id, "reopened")
            assert len(done["attempts"]) == 1


def with_reason(reopen: dict[str, Any], reason: str) -> dict[str, Any] | None:
    return reopen if reopen["reason"] == reason else None


@pytest.mark.parametrize(
    ("appendfsync", "replicas", "aof", "keeps"),
    [
        ("always", 0, False, False),
        ("always", 1, False, True),
        ("everysec", 1, False, False),
        ("everysec", 1, True, True),
        ("everysec", 0, True, False),
    ],
)
async def test_whether_answers_may_be_forgotten(
    master: Node, replica: Node, appendfsync, replicas, aof, keeps
):
    """With a replica, answers last where it confirms them and a disk does too: that is told to people."""
    with master.client() as client:
        client.config_set("appendfsync", appendfsync)
    wait = Wait(replicas, aof, PATIENCE_MS) if replicas or aof else None
    connection = async_client(master.url)
    ledger = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy(), wait=wait)
    try:
        assert await ledger.account.note_durability() is False  # a new run always quarantines
        assert (await ledger.counts.stats(0)).account.durable is keeps
    finally:
        await connection.aclose()
