"""Which bells are popped when, from RQ's queues in a real Redis."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from service.queue import QUEUE_NAMES, Bells, Lane, Ring
from tests.clocks import HandClock
from workers.popping import Popped, Popper
from workers.slots import Room

ROOM = Room(live=4, backlog=3, both=4)


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def popper(client, connection):
    queues: dict[Lane, Queue] = {
        lane: Queue(name, connection=client, serializer=JSONSerializer) for lane, name in QUEUE_NAMES.items()
    }
    return Popper(connection, queues, _submit, HandClock())


def _submit(_: Ring, __: Lane, ___: float) -> Future[int]:
    return Future()


def _ring(client, lane: Lane) -> str:
    bell = Bells(client).bell("1000", lane)
    client.hset(bell.job_key, mapping=dict(zip(bell.fields[::2], bell.fields[1::2], strict=True)))
    client.rpush(bell.queue_key, bell.id)
    return bell.id


async def _popped(popper, wait_seconds=30.0):
    return [(each.job.id, each.lane) for each in await popper.pop(ROOM, wait_seconds=wait_seconds)]


async def test_new_replies_are_popped_first(client, popper):
    """Of both lanes a new reply comes first, and a backlog takes no more than the room left for it."""
    rung = [_ring(client, "backlog") for _ in range(5)]
    new = _ring(client, "live")
    assert await _popped(popper) == [(new, "live"), *((each, "backlog") for each in rung[:3])]


@pytest.mark.parametrize("backlog_waits", [True, False])
async def test_the_first_that_rang_is_the_first_that_is_popped(client, popper, backlog_waits):
    """Of each lane, whether or not somebody waits at Redis for it; and as RQ has it, what was popped first is
    first on the intermediate queue, whence it is taken as soon as it is in the books.
    """
    rung = {lane: [_ring(client, lane) for _ in range(3)] for lane in QUEUE_NAMES}
    for name in QUEUE_NAMES.values():
        client.rpush(f"rq:queue:{name}:intermediate", "popped before")
    popper.backlog_waits = backlog_waits
    popped = await popper.pop(Room(live=3, backlog=3, both=6), wait_seconds=30.0)
    assert [each.job.id for each in popped] == [*rung["live"], *rung["backlog"]]
    for lane, name in QUEUE_NAMES.items():
        waiting = client.lrange(f"rq:queue:{name}:intermediate", 0, -1)
        assert [each.decode() for each in waiting] == ["popped before", *rung[lane]]


@pytest.mark.parametrize(
    ("room", "live", "backlog"),
    [
        (Room(live=4, backlog=3, both=9), 4, 3),
        (Room(live=2, backlog=3, both=4), 2, 2),
        (Room(live=6, backlog=1, both=8), 6, 1),
        (Room(live=6, backlog=3, both=6), 6, 0),
    ],
)
async def test_no_more_is_popped_than_there_is_room_for(client, popper, room, live, backlog):
    """Each lane has its own room, and both have one together; what has none waits on RQ's queues."""
    for lane in ("live", "backlog") * 6:
        _ring(client, lane)
    lanes = [each.lane for each in await popper.pop(room, wait_seconds=30.0)]
    assert lanes == ["live"] * live + ["backlog"] * backlog
    left = [client.llen(f"rq:queue:{name}") for name in QUEUE_NAMES.values()]
    assert sorted(left) == sorted([6 - live, 6 - backlog])


async def test_a_backlog_that_had_something_is_looked_after(client, popper):
    """After bells of the backlog more of them are popped at once, though no new reply comes for long."""
    first = _ring(client, "backlog")
    assert await _popped(popper, wait_seconds=0.01) == [(first, "backlog")]
    assert await asyncio.wait_for(_popped(popper), 15) == []
    second = _ring(client, "backlog")
    assert await asyncio.wait_for(_popped(popper), 15) == [(second, "backlog")]


async def test_a_new_reply_is_handed_on_before_its_job_is_read(client, popper):
    """Where a bell's id tells whose it is, its claim does not wait for the job."""
    id_of = "1-0123456789abcdef-u"
    client.rpush("rq:queue:reopener", id_of)
    told = []

    def submit(ring: Ring, lane: Lane, _: float) -> Future[int]:
        told.append((ring.name, lane, client.lrange("rq:queue:reopener:intermediate", 0, -1)))
        return Future()

    popper._submit = submit
    (dropped,) = await popper.pop(ROOM, wait_seconds=1)
    assert told == [("0123456789abcdef", "live", [id_of.encode()])]
    assert not isinstance(dropped, Popped), "it has no job"


async def test_what_is_no_bell_is_told_apart(client, popper):
    """A job of strangers is handed back as one, whatever its data, and a bell whose job is gone by its id."""
    queue = Queue("reopener", connection=client)
    stranger = queue.enqueue("os.getcwd", "\udcff\0")
    client.rpush(queue.key, "gone", "text")
    client.set("rq:job:text", "no hash")
    ours = _ring(client, "live")
    first, *dropped, bell = await popper.pop(Room(live=9, backlog=9, both=9), wait_seconds=1)
    assert (first.stranger.id, first.stranger.data) == (stranger.id, stranger.data)
    assert [(each.job_id, each.stranger) for each in dropped] == [("gone", None), ("text", None)]
    assert bell.job.id == ours
    assert client.llen(queue.intermediate_queue_key) == 4
