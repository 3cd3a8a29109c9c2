"""Deliveries that arrive together are admitted together, and none is the worse for its neighbours."""

from __future__ import annotations

import asyncio
import math

import pytest
import redis.asyncio
from redis import Redis

from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable, NotAdmitted, Overloaded
from service.domain.reopens import reopen_id
from service.intake import line
from service.intake.commit import TOGETHER, GroupCommit
from service.ledger import Ledger
from tests.edge.events import event


@pytest.fixture
def together(ledger: Ledger) -> GroupCommit:
    return GroupCommit(ledger.admissions, SystemClock())


async def scripts_run(connection: redis.asyncio.Redis) -> int:
    return int((await connection.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0))


async def test_what_arrives_together_is_asked_together(together, connection):
    """Fifty deliveries at once take no more round trips than needed, are all stored, and keep their order."""
    await together.admit([event("first")])
    before = await scripts_run(connection)
    answers = await asyncio.gather(*(together.admit([event(f"e{n}")]) for n in range(50)))
    assert [answer[0].verdict for answer in answers] == ["accepted"] * 50
    assert await scripts_run(connection) - before == math.ceil(50 / TOGETHER)
    in_order = [reopen_id("desk", name).encode() for name in ("first", *(f"e{n}" for n in range(50)))]
    assert await connection.zrange("reopener:inbox:5", 0, -1) == in_order


async def test_one_that_redis_refuses_fails_alone(together, connection, ledger):
    """A delivery with a key of another type in its way leaves nothing; its neighbours are stored."""
    await connection.set("reopener:inbox:7", "not a sorted set")
    answers = await asyncio.gather(
        together.admit([event("a")]),
        together.admit([event("b", thread_id=6), event("poison", thread_id=7)]),
        together.admit([event("c")]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [list, NotAdmitted, list]
    await connection.delete("reopener:inbox:7")
    again = await together.admit([event("b", thread_id=6), event("poison", thread_id=7)])
    assert [each.verdict for each in again] == ["accepted", "accepted"]
    assert (await ledger.counts.stats(0)).balanced


async def test_an_index_in_the_way_fails_its_source_alone(together, connection, ledger):
    """What is written at once for all still fails only those whose key is of another type."""
    await connection.set("reopener:is:other:queued", "not a sorted set")
    answers = await asyncio.gather(
        together.admit([event("a", thread_id=6)]),
        together.admit([event("poison", source="other", thread_id=7)]),
        together.admit([event("c", thread_id=8)]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [list, NotAdmitted, list]
    assert not await connection.exists(f"reopener:r:{reopen_id('desk', 'poison')}", "reopener:inbox:7")
    assert await connection.zcard("reopener:is:desk:queued") == 2
    assert await connection.llen("rq:queue:reopener") == 2
    await connection.delete("reopener:is:other:queued")
    assert (await ledger.counts.stats(0)).balanced


async def test_a_delivery_of_many_events_is_stored_as_a_whole(together, connection):
    """A body with more events than one command takes: each is there, listed, found and rung for once."""
    count = 1_100
    answers = await together.admit([event(f"e{n}", thread_id=1_000 + n) for n in range(count)])
    assert {each.verdict for each in answers} == {"accepted"}
    assert await connection.zcard("reopener:is:desk:queued") == count
    assert await connection.zcount("reopener:due", "-inf", "inf") == count
    assert await connection.llen("rq:queue:reopener") == count
    assert await connection.zlexcount("reopener:find", "[T1\0", "(T1\1") == count


async def test_too_much_waiting_is_shed_at_once(together, connection, monkeypatch):
    """Where Redis does not keep up, what joins a full line is refused at once, and what waits is stored."""
    monkeypatch.setattr(line, "MOST_WAITING", 10)
    at_once = [together.admit([event(f"e{n}")]) for n in range(30)]
    answers = await asyncio.gather(*at_once, return_exceptions=True)
    assert [type(answer) for answer in answers] == [list] * 10 + [Overloaded] * 20
    assert await connection.zcard("reopener:inbox:5") == 10


async def test_an_absent_redis_fails_all_that_wait(redis_url, connection, together):
    """Where Redis does not answer, the whole line learns it with the first, and nobody waits for longer."""
    await connection.client_pause(3_000)
    answers = await asyncio.gather(
        *(together.admit([event(f"e{n}")]) for n in range(200)), return_exceptions=True
    )
    with Redis.from_url(redis_url) as other:
        other.client_unpause()
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
