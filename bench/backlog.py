"""A backlog to drain: reopens admitted as the receiver admits them, and naive jobs to compare with."""

from __future__ import annotations

import asyncio

import redis
from redis.asyncio import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from service.clock import SystemClock
from service.domain.reopens import DONE, Policy, Status, reopen_id
from service.ledger import open_ledger
from service.ledger.admission import Admission
from service.ledger.codec import archived_fields
from service.queue import Bells

CONTACT = 5
FIRST_THREAD = 1_000
AT_ONCE = 200
CALLS_NAIVE = 2
ENDED = (*DONE, Status.DEAD, Status.HELD)


def admit(redis_url: str, count: int, *, first: int = 0, thread: int | None = None) -> None:
    """So many events, each of a thread of its own or all of one, with their bells in RQ's queue."""
    asyncio.run(_admit(redis_url, range(first, first + count), thread))


async def _admit(redis_url: str, numbers: range, thread: int | None) -> None:
    connection = Redis.from_url(redis_url)
    ledger = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
    for start in range(numbers.start, numbers.stop, AT_ONCE):
        await ledger.admissions.admit(
            [_admission(number, thread) for number in range(start, min(start + AT_ONCE, numbers.stop))]
        )
    await connection.aclose()


def _admission(number: int, thread: int | None) -> Admission:
    event_id = f"event-{number}"
    return Admission(
        reopen_id=reopen_id("desk", event_id),
        source="desk",
        event_id=event_id,
        delivery_id=event_id,
        body_hash=event_id,
        ticket_id=f"ticket-{number}",
        contact_id=CONTACT,
        thread_id=FIRST_THREAD + number if thread is None else thread,
        text=f"It broke again, for the {number}th time.",
    )


def ended(client: redis.Redis) -> int:
    """How many reopens have come to an end."""
    with client.pipeline(transaction=False) as pipeline:
        for status in ENDED:
            pipeline.zcard(f"reopener:is:desk:{status.value}")
            pipeline.hget("reopener:sizes", f"done:desk:{status.value}")
        return sum(int(size or 0) for size in pipeline.execute())


def attempts(client: redis.Redis) -> tuple[int, int]:
    """How many reopens spent an attempt before the one that ended them, and how many there are."""
    keys = list(client.scan_iter("reopener:r:*", count=1000))
    spent = [int(client.hget(key, "spent") or 0) for key in keys]
    archived = (client.get(key) or b"" for key in client.scan_iter("reopener:d:*", count=1000))
    spent += [int(archived_fields("", kept).get("spent", 0)) for kept in archived]
    return sum(each > 0 for each in spent), len(spent)


def enqueue_naive(redis_url: str, count: int, acquire_url: str) -> None:
    """The same work as a plain RQ job each (bench/naive.py)."""
    queue = Queue("naive", connection=redis.Redis.from_url(redis_url), serializer=JSONSerializer)
    jobs = [
        Queue.prepare_data("bench.naive.reopen", args=(acquire_url, FIRST_THREAD + number), result_ttl=0)
        for number in range(count)
    ]
    for start in range(0, count, AT_ONCE):
        queue.enqueue_many(jobs[start : start + AT_ONCE])
