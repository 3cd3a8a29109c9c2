"""What a helpdesk is told while Redis is away, hangs, is full or has become a replica."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
import redis

from service.clock import SystemClock
from service.embedded import EmbeddedRedis
from tests.running import Site, environment, reply, signed, site_on, until

LIMIT_SECONDS = 2.0
AT_ONCE = 40


@pytest.fixture
def server(tmp_path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    yield server
    if server.is_alive():
        os.kill(server.pid, signal.SIGCONT)
        server.stop()


@pytest.fixture
def alone(server: EmbeddedRedis, tmp_path) -> Iterator[Site]:
    """A site on a Redis of its own."""
    with site_on(environment(tmp_path, server.url)) as site:
        yield site


def unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert 0 < int(answer.headers["retry-after"]) < 60
    assert set(answer.json()["error"]) == {"code", "message"}
    assert answer.elapsed.total_seconds() < LIMIT_SECONDS


async def delivered_at_once(site: Site) -> list[httpx.Response]:
    """In one thread: each of many would wait for Python's lock, and count that as the receiver's time."""
    async with httpx.AsyncClient(base_url=site.origin, timeout=10, trust_env=False) as client:
        asked = []
        for number in range(AT_ONCE):
            content, headers = signed(reply(), event_id=f"lost-{number}")
            asked.append(client.post("/webhooks/support", content=content, headers=headers))
        return await asyncio.gather(*asked)


def taken_back(site: Site) -> None:
    """Deliveries are taken, counted once each, within seconds."""
    started = time.monotonic()
    until(lambda: site.client.get("/readyz").status_code == 200)
    assert site.deliver(event_id="kept").json()["status"] == "duplicate"
    assert site.deliver(event_id="lost-0").json()["status"] in {"accepted", "duplicate"}
    assert site.stats()["balanced"]
    assert time.monotonic() - started < 10


def test_while_redis_hangs(alone: Site, server: EmbeddedRedis):
    """A Redis that hangs: 503 within two seconds for many at once, and back as soon as it goes on."""
    assert alone.deliver(event_id="kept").json()["status"] == "accepted"
    os.kill(server.pid, signal.SIGSTOP)
    for answer in asyncio.run(delivered_at_once(alone)):
        unavailable(answer)
    assert alone.deliver({"type": "ticket.created"}, event_id="x").json()["status"] == "ignored"
    unavailable(alone.client.get("/readyz"))
    assert alone.client.get("/healthz").status_code == 200
    os.kill(server.pid, signal.SIGCONT)
    taken_back(alone)


def test_while_redis_is_away(alone: Site, server: EmbeddedRedis, tmp_path):
    """A Redis that is gone: 503 within two seconds, and back as soon as it is there, with all it held."""
    assert alone.deliver(event_id="kept").json()["status"] == "accepted"
    server.stop()
    unavailable(alone.deliver(event_id="lost-0"))
    unavailable(alone.client.get("/readyz"))
    unavailable(alone.api("GET", "/api/stats"))
    assert alone.client.get("/healthz").status_code == 200
    assert alone.client.get("/metrics").status_code == 200
    again = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    try:
        taken_back(alone)
    finally:
        again.stop()


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    ],
    ids=["full", "replica", "too few replicas"],
)
def test_while_redis_takes_no_writes(alone: Site, trouble, remedy):
    """A Redis that is full, demoted or short of replicas: 503, and back once that is mended."""
    assert alone.deliver(event_id="kept").json()["status"] == "accepted"
    alone.redis.execute_command(*trouble)
    unavailable(alone.deliver(event_id="lost-0"))
    unavailable(alone.client.get("/readyz"))
    alone.redis.execute_command(*remedy)
    taken_back(alone)


def test_while_redis_permits_nothing(server: EmbeddedRedis, tmp_path):
    """A Redis whose user lost its rights: 503 from the start, /readyz says so, and back once it has them."""
    allowed = {"enabled": True, "nopass": True, "keys": ["*"], "channels": ["*"]}
    variables = environment(tmp_path, server.url.replace("unix://", "unix://ours:any@"))
    with redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser("ours", **allowed, commands=["-@all", "+@connection"])
        with site_on(variables) as site:
            unavailable(site.deliver(event_id="lost-0"))
            assert site.client.get("/readyz").json()["error"]["code"] == "not_ready"
            admin.acl_setuser("ours", **allowed, commands=["+@all"])
            until(lambda: site.deliver(event_id="kept").status_code == 200)
            taken_back(site)


def test_what_comes_while_redis_permits_nothing_waits_on_the_disk(server: EmbeddedRedis, tmp_path):
    """None of the deliveries is refused for itself: they wait as in an outage, and keep their order."""
    allowed = {"enabled": True, "nopass": True, "keys": ["*"], "channels": ["*"]}
    address = server.url.replace("unix://", "unix://ours:any@")
    with redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser("ours", **allowed, commands=["+@all"])
        with site_on(environment(tmp_path, address, REOPENER_SPOOL_MB="4")) as site:
            assert site.deliver(event_id="before").json()["status"] == "accepted"
            admin.acl_setuser("ours", **allowed, commands=["-@all", "+@connection"])
            for number in range(3):
                assert site.deliver(event_id=f"meanwhile-{number}").json()["status"] == "accepted"
            until(lambda: site.client.get("/readyz").json().get("spooled") == 3)
            admin.acl_setuser("ours", **allowed, commands=["+@all"])
            until(lambda: site.stats()["spool"]["deliveries"] == 0)
            told = site.stats()
            assert (told["accepted"], told["spool"]["refused"], told["balanced"]) == (4, 0, True)


def test_a_receiver_starts_without_redis(tmp_path):
    """A receiver that starts while Redis is away answers 503, and takes deliveries once it is there."""
    first = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    first.stop()
    with site_on(environment(tmp_path, first.url)) as site:
        unavailable(site.deliver(event_id="lost-0"))
        again = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
        try:
            until(lambda: site.deliver(event_id="kept").status_code == 200)
            taken_back(site)
        finally:
            again.stop()


def test_a_redis_that_lost_its_scripts_is_told_them_again(site: Site):
    """`SCRIPT FLUSH`, or a failover to a server that never saw them, costs no delivery."""
    assert site.deliver(event_id="msg_1").status_code == 200
    with redis.Redis.from_url(site.environment["REDIS_URL"]) as connection:
        connection.script_flush()
    assert site.deliver(event_id="msg_2").json()["status"] == "accepted"
