"""Redis' append-only file after a customer was forgotten: written anew, without them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from redis import Redis

from service.clock import SystemClock
from service.domain.reopens import Policy
from service.embedded import EmbeddedRedis
from service.ledger import open_ledger
from service.queue import Bells
from tests.edge.customers import stage
from tests.running import Site, environment, site_on, until


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A site on a Redis of its own, in whose file a customer's words are."""
    monkeypatch.setattr("service.forget.OUTLASTS_SECONDS", 0)
    server = await asyncio.to_thread(EmbeddedRedis.start, tmp_path / "redis", clock=SystemClock())
    try:
        with site_on(environment(tmp_path, server.url)) as site:
            connection = redis.asyncio.Redis.from_url(server.url)
            await stage(open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy()))
            await connection.aclose()
            assert is_in_files(tmp_path / "redis")
            yield site
    finally:
        server.stop()


def is_in_files(folder: Path) -> bool:
    return any(b"heliotrope" in each.read_bytes() for each in folder.rglob("*") if each.is_file())


async def test_the_append_only_file_is_written_anew(site: Site, tmp_path):
    """Redis is asked to write its file without what was erased, and then nobody finds it there."""
    assert site.api("POST", "/api/forget", {"contact_id": 8154711}).json()["file"] == "rewriting"
    until(lambda: not site.redis.info("persistence")["aof_rewrite_in_progress"])
    assert not is_in_files(tmp_path / "redis")


@pytest.mark.parametrize(("looks", "file"), [(50, "rewriting"), (1, "busy")])
async def test_a_file_that_is_being_written_is_waited_for(site: Site, tmp_path, monkeypatch, looks, file):
    """Redis is at its file since before the erasing: it is asked again, and told of if that takes long."""
    monkeypatch.setattr("service.forget.FILE_LOOKS", looks)
    site.redis.config_set("rdbcompression", "no")
    site.redis.config_set("rdb-key-save-delay", 1_000_000 // site.redis.dbsize())
    site.redis.bgrewriteaof()
    site.redis.config_set("rdb-key-save-delay", 0)
    answer = site.api("POST", "/api/forget", {"contact_id": 8154711})
    assert (answer.status_code, answer.json()["file"]) == (200, file)
    until(lambda: not site.redis.info("persistence")["aof_rewrite_in_progress"])
    assert is_in_files(tmp_path / "redis") == (file == "busy")
