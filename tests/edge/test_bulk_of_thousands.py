"""Bulk verbs for more reopens than fit into a script call or a page of a list."""

from __future__ import annotations

import asyncio
import json

import pytest

from bench import backlog
from service.domain.errors import LedgerUnavailable
from service.domain.reopens import Status
from service.ledger import Ledger
from service.ledger.audit import By
from service.ledger.bulks import AT_ONCE, Order
from service.ledger.listing import Wanted

TOTAL = 5_000
BY = By("somebody", "api")


@pytest.fixture
def scripts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[object, ...]]]:
    """The calls of scripts, as they come."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    run = ledger.scripts.run

    async def noted(name: str, *args: str | bytes | int) -> object:
        calls.append((name, args))
        return await run(name, *args)

    monkeypatch.setattr(ledger.scripts, "run", noted)
    return calls


async def test_what_lost_its_receiver_is_over(redis_url, ledger, connection, monkeypatch):
    """A bulk whose receiver goes away while it lists is over a minute later, and says that some are missing;
    one whose receiver only takes its time is not.
    """
    await asyncio.to_thread(backlog.admit, redis_url, AT_ONCE + 10)
    run, many = ledger.scripts.run, []

    async def dies_at_the_second_batch(name: str, *args: str | bytes | int) -> object:
        many.extend([name] * (name == "many"))
        if len(many) == 3:  # the first begins it
            raise LedgerUnavailable("gone")
        return await run(name, *args)

    monkeypatch.setattr(ledger.scripts, "run", dies_at_the_second_batch)
    with pytest.raises(LedgerUnavailable):
        await _do(ledger, "cancel", Status.QUEUED)
    monkeypatch.undo()
    await ledger.bulks.feed()
    (told,) = await ledger.bulks.latest()
    assert (told.state, told.ended, told.goes_on) == ("running", {"cancelled": AT_ONCE}, True)
    await connection.hset(f"reopener:bulk:{told.id}", "updated_ms", "1")
    await ledger.bulks.feed()
    (told,) = await ledger.bulks.latest()
    assert (told.state, told.ended, told.goes_on) == ("done", {"cancelled": AT_ONCE}, False)
    assert told.is_cut_short
    assert not await connection.exists("reopener:bulks:listed")
    rest = await _do(ledger, "cancel", Status.QUEUED)
    assert (rest.taken, rest.is_cut_short) == (10, False)
    assert not await connection.exists("reopener:bulks:listed")


async def _do(ledger, verb, status):
    order = Order(verb, BY, wanted=Wanted(status=status), subject=f"all {status}")
    return await ledger.bulks.fill(await ledger.bulks.create(order), order)


async def test_thousands_are_taken_up_once_each_and_given_back(redis_url, ledger, connection, scripts):
    """All of five thousand are taken up once, a bounded number in each script call, and stopped half-way all
    that were not begun are what they were; its progress always adds up.
    """
    await asyncio.to_thread(backlog.admit, redis_url, TOTAL)
    cancelled = await _do(ledger, "cancel", Status.QUEUED)
    assert (cancelled.taken, cancelled.refused, cancelled.ended) == (TOTAL, 0, {"cancelled": TOTAL})
    bulk = await _do(ledger, "retry", Status.CANCELLED)
    assert (bulk.taken, bulk.refused, bulk.in_work) == (TOTAL, 0, 8)
    assert await connection.zcard("reopener:is:desk:queued") == TOTAL
    many = [len(json.loads(args[5])) for name, args in scripts if name == "many"]
    assert max(many) == AT_ONCE
    assert sum(many) == 2 * TOTAL

    begun = await connection.hkeys("reopener:bulks:work")
    for each in begun[:3]:
        await connection.hset(b"reopener:r:" + each, "status", "reopened")  # as a worker would leave them
    _, boxes = await ledger.bulks.feed()
    assert len(boxes) == 3
    stopped = await ledger.bulks.recall(bulk.id, by=BY)
    assert (stopped.ended, stopped.left, stopped.in_work) == ({"reopened": 3}, 0, 0)
    assert stopped.taken_back == TOTAL - 3
    assert not stopped.goes_on
    assert await connection.zcard("reopener:is:desk:cancelled") == TOTAL - 3
    assert await ledger.bulks.feed() == (0, [])
    assert not await connection.exists("reopener:bulks:work", "reopener:bulks:lanes")
    assert max(int(args[1]) for name, args in scripts if name == "recall") == AT_ONCE
