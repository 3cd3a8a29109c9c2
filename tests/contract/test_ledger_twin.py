"""One suite for two: the Redis in memory that the simulation plays on, and a real one, under one ledger."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import redis
import redis.asyncio

from service.clock import SystemClock
from service.domain.errors import Fenced
from service.domain.ports import Claimed, Unclaimed, Write
from service.domain.reopens import Policy, Status
from service.domain.threads import Claim, Effect, Thread, with_claim
from service.ledger import open_ledger
from service.ledger.admission import Admission
from service.queue import Bells
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import Cluster


def _event(name, **more):
    told = {"contact_id": 7, "thread_id": 100, "ticket_id": "4711", "text": name, **more}
    return Admission(name, "support", name, name, name, **told)


async def _admitted_once(ledger):
    first = await ledger.admissions.admit(
        [_event("a"), _event("b", message_key="m"), _event("c", message_key="m")]
    )
    again = await ledger.admissions.admit([_event("a")])
    return [(row.verdict, row.reopen_id, row.status) for row in (*first, *again)]


async def _one_at_a_time(ledger):
    await ledger.admissions.admit([_event("a"), _event("b")])
    claimed = await ledger.leases.claim("a", bell=None, token="one")
    other = await ledger.leases.claim("b", bell=None, token="two")
    assert isinstance(claimed, Claimed)
    assert isinstance(other, Unclaimed)
    saved = await ledger.leases.save(claimed.lease, Thread(id=100), Write(claimed.reopen))
    with pytest.raises(Fenced):
        await ledger.leases.save(_earlier(claimed.lease), Thread(id=100), Write(claimed.reopen))
    done = with_claim(Thread(id=100), Effect("case", 1001), Claim("a", 1, 1001), 1)
    following = await ledger.leases.finish(saved, done, Write(_ended(claimed.reopen)))
    overdue = await ledger.sweeps.overdue()
    return other.why, following.reopen.id, following.thread.claims, overdue.boxes, list(overdue.leases)


async def _held_goes_on(ledger):
    held = {"held_for": "contact_unknown", "contact_id": None, "thread_id": None}
    await ledger.admissions.admit([_event("a", **held), _event("b", **held)])
    resolved = await ledger.verbs.resolve("b", 7, 100)
    first = await ledger.leases.claim("b", bell=None, token="one")
    cancelled = await ledger.verbs.cancel("b")
    return resolved.status, first.reopen.id, cancelled.status


async def _more_held_than_are_looked_at_together(ledger):
    """Held replies of a ticket, however many, keep none back that comes behind them."""
    held = {"held_for": "contact_unknown", "contact_id": None, "thread_id": None}
    await ledger.admissions.admit([_event(f"held-{number}", **held) for number in range(101)])
    await ledger.admissions.admit([_event("a", contact_id=None, thread_id=None, email="a@b.example")])
    claimed = await ledger.leases.claim("a", bell=None, token="one")
    assert isinstance(claimed, Claimed)
    return claimed.reopen.id


def _ended(reopen):
    return replace(reopen, status=Status.REOPENED, new_case_id=1001)


def _earlier(lease):
    return replace(lease, step=lease.step - 1)


def _in_memory(behaviour):
    """Drive the coroutine by hand: every step takes effect at once."""
    cluster = Cluster(random.Random(0), Policy(), Manner())
    coroutine, answer = behaviour(cluster.door_ledger), None
    try:
        while True:
            step = coroutine.send(answer)
            answer = step.act()
    except StopIteration as ended:
        return ended.value


@pytest.mark.parametrize(
    "behaviour", [_admitted_once, _one_at_a_time, _held_goes_on, _more_held_than_are_looked_at_together]
)
async def test_both_behave_alike(behaviour, redis_url):
    """The real ledger answers the same on a Redis in memory as on a real one."""
    connection = redis.asyncio.Redis.from_url(redis_url)
    real = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
    try:
        assert _in_memory(behaviour) == await behaviour(real)
    finally:
        await connection.aclose()
