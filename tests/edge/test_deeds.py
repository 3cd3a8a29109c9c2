"""What people asked for in the last seconds before Redis forgot it; on a real Redis that is set back."""

from __future__ import annotations

import pytest
from redis import Redis

from service.domain.reopens import Status
from service.ledger import Ledger
from tests.edge.test_retention import ended, event


@pytest.fixture
def server(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


def set_back(server: Redis, before: dict[bytes, bytes]) -> None:
    server.flushdb()
    for key, value in before.items():
        server.restore(key, 0, value)


async def status(ledger: Ledger, reopen_id: str) -> Status:
    return (await ledger.reads.reopen(reopen_id)).status


async def test_a_verb_that_redis_forgot_is_done_once_more(ledger: Ledger, server: Redis, monkeypatch):
    """A cancel and a retry that were answered stand in the next run of Redis too, each with its line."""
    await ledger.admissions.admit([event(1), event(2)])
    await ended(ledger, "id-0002", Status.DEAD, reason="refused")
    before = {key: server.dump(key) for key in server.keys("*")}
    await ledger.verbs.cancel("id-0001")
    await ledger.verbs.retry("id-0002")
    await ledger.deeds.watch()
    set_back(server, before)
    assert await status(ledger, "id-0001") == Status.QUEUED
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.QUEUED, "it is the same run"
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.CANCELLED
    assert await status(ledger, "id-0002") == Status.QUEUED
    assert (await ledger.counts.stats(0)).balanced
    # They are known by now, and whatever was done after them stays.
    await ledger.verbs.retry("id-0001")
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.QUEUED


@pytest.mark.parametrize("is_forgotten", [False, True])
async def test_what_came_after_a_verb_is_not_undone(
    ledger: Ledger, server: Redis, monkeypatch, is_forgotten: bool
):
    """Where Redis remembers the verb, or what a worker wrote after it, nothing is done again."""
    await ledger.admissions.admit([event(1)])
    await ended(ledger, "id-0001", Status.DEAD, reason="refused")
    await ledger.verbs.retry("id-0001")
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    lines = server.xlen("reopener:audit")
    await ended(ledger, "id-0001", Status.DEAD, reason="refused", updated_ms=2**42)
    if is_forgotten:
        server.hdel("reopener:r:id-0001", "asked")
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.DEAD
    assert server.xlen("reopener:audit") == lines


async def test_a_reopen_that_its_receiver_has_yet_to_admit_is_waited_for(
    ledger: Ledger, server: Redis, monkeypatch
):
    """A verb on a reopen that was forgotten too is done when that is there again."""
    await ledger.admissions.admit([event(1)])
    await ledger.verbs.cancel("id-0001")
    server.flushdb()
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    await ledger.admissions.admit([event(1)])
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.CANCELLED


async def another_run() -> str:
    return "another run"
