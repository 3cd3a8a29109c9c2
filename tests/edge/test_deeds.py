"""What people asked for in the last seconds before Redis forgot it; on a real Redis that is set back."""

from __future__ import annotations

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from service.clock import SystemClock
from service.domain.reopens import Policy, Status
from service.ledger import Ledger, open_ledger
from service.ledger.audit import By
from service.ledger.bulks import Order
from service.ledger.links import Link
from service.queue import Bells
from tests.edge.test_retention import ended, event


@pytest.fixture
def server(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


def set_back(server: Redis, before: dict[bytes, bytes]) -> None:
    server.flushdb()
    for key, value in before.items():
        server.restore(key, 0, value, replace=True)


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


async def test_a_verb_that_redis_refuses_keeps_no_other_back(ledger: Ledger, server: Redis, monkeypatch):
    """Where a key of another type is in its way, it is let go, and the next one is done."""
    await ledger.admissions.admit([event(1), event(2)])
    before = {key: server.dump(key) for key in server.keys("*")}
    await ledger.verbs.cancel("id-0001")
    await ledger.verbs.cancel("id-0002")
    set_back(server, before)
    server.delete("reopener:r:id-0001")
    server.set("reopener:r:id-0001", "no hash")
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    assert await status(ledger, "id-0002") == Status.CANCELLED


HELD = {"thread_id": None, "contact_id": None, "held_for": "thread_unknown"}


async def test_what_people_told_of_a_ticket_is_told_once_more(ledger: Ledger, server: Redis, monkeypatch):
    """A resolution and a link that were answered stand in the next run of Redis, with all they let go on."""
    of_ticket_1 = {**HELD, "ticket_id": "t1"}
    await ledger.admissions.admit([event(1, **HELD), event(2, **HELD), event(3, **of_ticket_1)])
    before = {key: server.dump(key) for key in server.keys("*")}
    by = By("Ops", "command line")
    await ledger.verbs.resolve("id-0001", 7_001, 1_001, by=by)
    await ledger.verbs.link("support", "t2", Link(7_002, 1_002), by=by)
    set_back(server, before)
    assert await status(ledger, "id-0001") == Status.HELD
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    records = [await ledger.reads.reopen(f"id-000{number}") for number in (1, 2, 3)]
    assert [record.status for record in records] == [Status.QUEUED] * 3
    assert [record.thread_id for record in records] == [1_001, 1_002, 1_001]
    assert await ledger.reads.link("support", "t1") == Link(7_001, 1_001)
    assert await ledger.reads.link("support", "t2") == Link(7_002, 1_002)
    assert [each.what for each in (await ledger.audit.latest())[0]] == ["link", "resolve"]
    assert (await ledger.counts.stats(0)).balanced
    await ledger.verbs.cancel("id-0001")
    await ledger.deeds.watch()
    assert await status(ledger, "id-0001") == Status.CANCELLED


@pytest.mark.parametrize("is_forgotten", [False, True])
async def test_what_came_after_a_resolution_is_not_undone(
    ledger: Ledger, connection: AsyncRedis, server: Redis, monkeypatch, is_forgotten: bool
):
    """Who was resolved otherwise since, was worked, or is held again stays so, and so does a newer link."""
    other = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy())
    await ledger.admissions.admit([event(number, **HELD) for number in range(1, 6)])
    before = {key: server.dump(key) for key in server.keys("*")}
    for number in range(1, 4):
        await ledger.verbs.resolve(f"id-{number:04}", 7_000, 1_000 + number)
    await ledger.verbs.link("support", "t4", Link(7_000, 1_004))
    await ledger.verbs.cancel("id-0005")
    if is_forgotten:
        set_back(server, before)
        for number in (1, 2, 3, 5):
            await other.verbs.resolve(f"id-{number:04}", 7_000, 2_000 + number)
    await other.verbs.link("support", "t1", Link(7_000, 2_010))
    await other.verbs.link("support", "t4", Link(7_000, 2_004))
    await ended(ledger, "id-0002", Status.DEAD, reason="refused")
    await ended(ledger, "id-0003", Status.HELD, reason="thread_unknown")
    stood = [await ledger.reads.reopen(f"id-{number:04}") for number in range(1, 6)]
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    assert [await ledger.reads.reopen(f"id-{number:04}") for number in range(1, 6)] == stood
    assert await ledger.reads.link("support", "t1") == Link(7_000, 2_010)
    assert await ledger.reads.link("support", "t4") == Link(7_000, 2_004)


BY = By("Ops", "command line")


async def test_a_pause_and_a_dropped_link_are_done_once_more(ledger: Ledger, server: Redis, monkeypatch):
    """What stops work, or keeps replies from a thread, holds in the next run of Redis too, with its line."""
    for ticket in ("t1", "t2"):
        await ledger.verbs.link("support", ticket, Link(7_001, 1_001))
    before = {key: server.dump(key) for key in server.keys("*")}
    await ledger.verbs.pause(by=BY)
    await ledger.verbs.unlink("support", "t1", by=BY)
    await ledger.verbs.unlink("support", "t2", by=BY)
    set_back(server, before)
    server.hset("reopener:links", "support\0t2", "7002:1002")
    assert not (await ledger.counts.stats(0)).account.paused
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    assert (await ledger.counts.stats(0)).account.paused_by == "Ops (command line)"
    assert await ledger.reads.link("support", "t1") is None
    assert await ledger.reads.link("support", "t2") == Link(7_002, 1_002), "it was linked anew since"
    assert [each.what for each in (await ledger.audit.latest())[0]] == ["unlink", "pause"]


@pytest.mark.parametrize("is_forgotten", [False, True])
@pytest.mark.parametrize("order", [1, -1])
async def test_the_latest_of_pause_and_resume_holds(
    ledger: Ledger, connection: AsyncRedis, server: Redis, monkeypatch, is_forgotten: bool, order: int
):
    """What several receivers were asked last counts, whoever of them does it once more first."""
    other = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy())
    await ledger.verbs.pause(by=BY)
    asked_ms = int(server.hget("reopener:account", "pause_asked"))
    await _later_than(server, asked_ms)
    await other.verbs.resume(by=BY)
    if is_forgotten:
        server.flushdb()
    for each in (ledger, other)[::order]:
        monkeypatch.setattr(each.deeds, "_run_id", another_run)
        await each.deeds.watch()
    assert not (await ledger.counts.stats(0)).account.paused
    await ledger.verbs.pause(by=BY)
    assert (await ledger.counts.stats(0)).account.paused


async def _later_than(server: Redis, ms: int) -> None:
    while server.time()[0] * 1000 + server.time()[1] // 1000 <= ms:
        pass


@pytest.mark.parametrize("is_forgotten", [False, True])
@pytest.mark.parametrize("bulk_too", [False, True])
async def test_a_verb_for_many_is_done_once_more(
    ledger: Ledger, server: Redis, monkeypatch, is_forgotten: bool, bulk_too: bool
):
    """What it was done to, and what it says of itself, stand in the next run of Redis: each once."""
    await ledger.admissions.admit([event(number) for number in range(1, 6)])
    await ended(ledger, "id-0001", Status.DEAD, reason="refused")
    await ended(ledger, "id-0002", Status.DEAD, reason="refused")
    by = By("Ops", "command line")
    retry, cancel = Order("retry", by, ("id-0001", "id-0002")), Order("cancel", by, ("id-0003", "id-0004"))
    if bulk_too:
        before = {key: server.dump(key) for key in server.keys("*")}
    ids = [await ledger.bulks.create(order) for order in (retry, cancel)]
    if not bulk_too:
        before = {key: server.dump(key) for key in server.keys("*")}
    for bulk_id, order in zip(ids, (retry, cancel), strict=True):
        await ledger.bulks.fill(bulk_id, order)
    if is_forgotten:
        set_back(server, before)
        assert await status(ledger, "id-0001") == Status.DEAD
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    await ledger.deeds.watch()
    stood = [await status(ledger, f"id-000{number}") for number in range(1, 6)]
    assert stood == [Status.QUEUED] * 2 + [Status.CANCELLED] * 2 + [Status.QUEUED]
    bulks = [await ledger.bulks.bulk(bulk_id) for bulk_id in ids]
    assert [(bulk.taken, bulk.refused, bulk.who) for bulk in bulks] == [(2, 0, "Ops")] * 2
    assert (bulks[1].state, bulks[1].ended) == ("done", {"cancelled": 2})
    assert len((await ledger.audit.latest())[0]) == 4
    assert (await ledger.counts.stats(0)).balanced


async def test_what_came_after_a_verb_for_many_is_not_undone(ledger: Ledger, server: Redis, monkeypatch):
    """Who was worked or asked for since then stays, and so does what somebody stopped."""
    await ledger.admissions.admit([event(number) for number in range(1, 5)])
    for number in range(1, 5):
        await ended(ledger, f"id-000{number}", Status.DEAD, reason="refused")
    before = {key: server.dump(key) for key in server.keys("*")}
    by = By("Ops", "command line")
    for ids in (("id-0001", "id-0002"), ("id-0003", "id-0004")):
        order = Order("retry", by, ids)
        bulk_id = await ledger.bulks.create(order)
        await ledger.bulks.fill(bulk_id, order)
    await ledger.bulks.recall(bulk_id, by=by)
    set_back(server, before)
    await ledger.verbs._verb("cancel", "id-0001", [Status.DEAD], Status.CANCELLED, (), None)
    monkeypatch.setattr(ledger.deeds, "_run_id", another_run)
    await ledger.deeds.watch()
    stood = [await status(ledger, f"id-000{number}") for number in range(1, 5)]
    assert stood == [Status.CANCELLED, Status.QUEUED, Status.DEAD, Status.DEAD]
    assert (await ledger.bulks.bulk(bulk_id)).state == "cancelled"
    assert (await ledger.counts.stats(0)).balanced


async def another_run() -> str:
    return "another run"
