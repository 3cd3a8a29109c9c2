"""New replies are not stuck behind a backlog: told by the order in which Acquire gets to see them."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

from bench import backlog, stack
from service.clock import SystemClock
from service.domain.reopens import Policy, Status
from service.ledger import open_ledger
from service.ledger.audit import By
from service.ledger.bulks import Order
from service.ledger.listing import Wanted
from service.queue import Bells

WAITING = 3_000
CONCURRENCY = 4
AT_ONCE = Policy().bulk_at_once
BY = By("Anna", "api")


def _until(holds, what, limit_seconds=30):
    stack.until(holds, what, limit_seconds=limit_seconds)


def _lose_all_bells(client):
    """As after an outage: all are due, and nobody has rung for them."""
    client.delete("rq:queue:reopener", "reopener:bells")
    client.zadd("reopener:due", dict.fromkeys(client.zrange("reopener:due", 0, -1), 1))


def _passed(stand_in, redis_url, number, *, thread=None):
    """How many reopens Acquire saw between the arrival of this event and its own."""
    backlog.admit(redis_url, 1, first=number, thread=thread)
    before = len(stand_in.told().order)  # only now: what it sees while this process admits is no one's fault
    thread = thread or backlog.FIRST_THREAD + number
    _until(lambda: thread in stand_in.told().order, "the new reply is through")
    return stand_in.told().order.index(thread) - before


@pytest.mark.parametrize(("rate_per_second", "delay_seconds"), [(30, 0.0), (0, 0.2)])
def test_new_replies_pass_thousands_that_are_due(
    client, redis_url, stand_in, start, rate_per_second, delay_seconds
):
    """With thousands due at once, a new reply is among the next few that Acquire sees, whether the rate limit
    or Acquire itself is slow.
    """
    backlog.admit(redis_url, WAITING)
    _lose_all_bells(client)
    stand_in.control(delay=delay_seconds)
    start(concurrency=CONCURRENCY, rate_per_second=rate_per_second)
    _until(lambda: len(stand_in.told().order) > 12, "the backlog is being worked")
    for number in range(WAITING, WAITING + 3):
        assert _passed(stand_in, redis_url, number) <= 2 * CONCURRENCY
    before = len(stand_in.told().order)
    _until(lambda: len(stand_in.told().order) > before + 3, "and the backlog goes on")
    assert backlog.ended(client) < WAITING // 2, "there was a backlog all the while"


def test_a_new_reply_does_not_wait_for_the_bell_of_the_backlog(client, redis_url, stand_in, start):
    """Where a thread's bell stands in the backlog, the customer's next reply rings anew, for both."""
    backlog.admit(redis_url, WAITING)
    _lose_all_bells(client)
    start(concurrency=CONCURRENCY, rate_per_second=30)
    _until(lambda: client.llen("rq:queue:reopener-backlog") > 100, "the backlog has its bells")
    last = client.lrange("rq:queue:reopener-backlog", -1, -1)[0].decode()
    thread = int(client.hget(f"rq:job:{last}", "description").split()[-1])
    assert _passed(stand_in, redis_url, WAITING, thread=thread) <= 2 * CONCURRENCY


async def _bulk(redis_url, do):
    connection = redis.asyncio.Redis.from_url(redis_url)
    try:
        return await do(open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy()).bulks)
    finally:
        await connection.aclose()


def _ordered(redis_url, verb, status):
    """Do it to all of a status."""

    async def fill(bulks):
        order = Order(verb, BY, wanted=Wanted(status=status), subject=f"all {status}")
        return await bulks.fill(await bulks.create(order), order)

    return asyncio.run(_bulk(redis_url, fill))


def test_a_bulk_retry_keeps_to_its_lane(client, redis_url, stand_in, start):
    """A retry of a thousand takes no more slots than its own, lets new replies pass, goes on after its worker
    was killed, and is stopped half-way: what was not begun is as it was, and nothing is done twice.
    """
    total = 1_000
    backlog.admit(redis_url, total)
    assert _ordered(redis_url, "cancel", Status.QUEUED).ended == {"cancelled": total}
    client.delete("rq:queue:reopener")
    bulk = _ordered(redis_url, "retry", Status.CANCELLED)
    assert (bulk.taken, client.zcard("reopener:is:desk:queued")) == (total, total)
    stand_in.control(delay=0.05)
    first = start(concurrency=16)
    at_work = []

    def begun():
        at_work.append(client.hlen("reopener:leases"))
        return len(stand_in.told().order) > 40

    _until(begun, "some are done")
    assert 0 < max(at_work) <= AT_ONCE
    assert _passed(stand_in, redis_url, total) <= 2 * AT_ONCE
    first.kill()
    first.wait()
    start(concurrency=16)
    done = len(stand_in.told().order)
    _until(lambda: len(stand_in.told().order) > done + 20, "another worker goes on", limit_seconds=60)
    asyncio.run(_bulk(redis_url, lambda bulks: bulks.recall(bulk.id, by=BY)))

    def over():
        return asyncio.run(_bulk(redis_url, lambda bulks: bulks.bulk(bulk.id)))

    _until(lambda: not over().goes_on, "what was begun has ended", limit_seconds=60)
    told = over()
    assert told.state == "cancelled"
    assert told.taken_back > total // 2
    assert told.taken_back + sum(told.ended.values()) == total
    assert client.zcard("reopener:is:desk:cancelled") == told.taken_back
    assert backlog.ended(client) == total + 1 - told.taken_back
    assert stand_in.told().doubled == 0
