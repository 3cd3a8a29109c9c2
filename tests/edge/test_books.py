"""RQ's registries as the books of a worker leave them, in a real Redis, and who keeps the books."""

from __future__ import annotations

import queue as queues
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from service.clock import SystemClock
from service.queue import QUEUE_NAMES, Bells, Lane
from tests.clocks import HandClock
from workers import books as module
from workers.books import BEAT_SECONDS, Bookkeeper, Books, Running
from workers.popping import Dropped

BOTH: tuple[Lane, ...] = ("live", "backlog")


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def worker(client: redis.Redis) -> SimpleWorker:
    return SimpleWorker(list(QUEUE_NAMES.values()), connection=client, name="w1", serializer=JSONSerializer)


@pytest.fixture
def lanes(worker: SimpleWorker) -> dict[Lane, Queue]:
    return dict(zip(QUEUE_NAMES, worker.queues, strict=True))


@pytest.fixture
def books(worker: SimpleWorker, lanes: dict[Lane, Queue]) -> Books:
    return Books(worker, lanes)


def popped(queue: Queue, lane: Lane) -> Running:
    """A bell as it is when it was taken: on the intermediate queue."""
    client = queue.connection
    bell = Bells(client).bell("1000", lane)
    client.hset(bell.job_key, items=list(bell.fields))
    client.rpush(queue.intermediate_queue_key, bell.id)
    return Running(Job.fetch(bell.id, client, JSONSerializer), lane, Future())


def waits(queue: Queue) -> list[bytes]:
    return queue.connection.lrange(queue.intermediate_queue_key, 0, -1)


def test_what_is_in_work_is_on_no_queue_any_more(books: Books, lanes: dict[Lane, Queue]):
    """A bell leaves the intermediate queue of its own lane, and RQ shows its job as started."""
    running = [popped(queue, lane) for lane, queue in lanes.items()]
    books.open(running)
    for bell, queue in zip(running, lanes.values(), strict=True):
        assert waits(queue) == []
        assert queue.started_job_registry.get_job_ids() == [bell.job.id]
        assert bell.job.get_status() == JobStatus.STARTED


def test_a_bell_in_work_does_not_expire(books: Books, lanes: dict[Lane, Queue], client: redis.Redis):
    """However long it is answered, RQ finds its job."""
    bell = popped(lanes["live"], "live")
    client.expire(bell.job.key, 60)
    books.open([bell])
    assert client.ttl(bell.job.key) == -1


def test_what_beats_is_not_taken_for_abandoned(books: Books, lanes: dict[Lane, Queue], client: redis.Redis):
    """A beat puts off the moment at which RQ fails an execution; one that RQ was never told of has none."""
    known, unknown = popped(lanes["live"], "live"), popped(lanes["live"], "live")
    books.open([known])
    registry = lanes["live"].started_job_registry
    (member,) = client.zrange(registry.key, 0, -1)
    client.zadd(registry.key, {member: 1})
    books.beat([unknown, known])
    assert client.zscore(registry.key, member) > SystemClock().now_ms() / 1000


def test_failed_is_what_failed(
    books: Books, lanes: dict[Lane, Queue], client: redis.Redis, caplog: pytest.LogCaptureFixture
):
    """Of bells that end together those that were answered or handed back are gone, and a fault is kept, told
    and counted as one.
    """
    answered, handed_back, failed = running = [popped(lanes["live"], "live") for _ in range(3)]
    books.open(running)
    answered.answer.set_result(1)
    handed_back.answer.cancel()
    failed.answer.set_exception(RuntimeError("boom"))
    books.close(running)
    registry = lanes["live"].failed_job_registry
    assert [client.exists(bell.job.key) for bell in running] == [0, 0, 1]
    assert registry.get_job_ids() == [failed.job.id]
    assert failed.job.get_status() == JobStatus.FAILED
    assert Job.fetch(failed.job.id, client, JSONSerializer).func_name == failed.job.func_name
    assert client.hmget("rq:worker:w1", "successful_job_count", "failed_job_count") == [b"2", b"1"]
    assert client.keys("rq:execution*") == []
    (told,) = [record for record in caplog.records if record.message == "bell.failed"]
    assert f"'job_id': '{failed.job.id}', 'error': 'RuntimeError: boom'" in repr(vars(told))


def test_what_was_stopped_is_told_as_stopped(books: Books, lanes: dict[Lane, Queue]):
    """A person's stop shows as one, and the bell that fails next is none."""
    stopped, failed = running = [popped(lanes["live"], "live") for _ in range(2)]
    books.open(running)
    stopped.is_stopped = True
    stopped.answer.cancel()
    failed.answer.set_exception(RuntimeError("boom"))
    books.close(running)
    assert [bell.job.get_status() for bell in running] == [JobStatus.STOPPED, JobStatus.FAILED]


@pytest.mark.parametrize("lane", BOTH)
def test_what_is_dropped_stands_nowhere(
    books: Books, lanes: dict[Lane, Queue], lane: Lane, caplog: pytest.LogCaptureFixture
):
    """A bell that is not for us leaves the intermediate queue of its lane, and the log says why."""
    queue = lanes[lane]
    queue.connection.rpush(queue.intermediate_queue_key, "gone", "other")
    books.drop(Dropped("gone", lane, "its job is gone or cannot be read"))
    assert waits(queue) == [b"other"]
    (told,) = [record for record in caplog.records if record.message == "job.dropped"]
    assert "'job_id': 'gone', 'reason': 'its job is gone or cannot be read'" in repr(vars(told))


@pytest.mark.parametrize("lane", BOTH)
def test_a_strangers_job_is_failed_where_it_came_from(books: Books, lanes: dict[Lane, Queue], lane: Lane):
    """As RQ does it: a job with retries left goes back to its own queue, and one without is failed there."""
    queue = lanes[lane]
    stranger = queue.enqueue("os.getcwd", retry=Retry(max=1))
    for where in (queue.get_job_ids, queue.failed_job_registry.get_job_ids):
        queue.connection.lmove(queue.key, queue.intermediate_queue_key)
        books.drop(
            Dropped(stranger.id, lane, "not ours", Job.fetch(stranger.id, queue.connection, JSONSerializer))
        )
        assert where() == [stranger.id]
        assert waits(queue) == []


class Noted:
    """Books that note what is written in them, and fail where they are told to."""

    def __init__(self, **fails: Exception) -> None:
        self.written: queues.SimpleQueue[tuple[str, int]] = queues.SimpleQueue()
        self._fails = fails

    def open(self, bells: Collection[Running]) -> None:
        self._note("open", bells)

    def close(self, bells: Collection[Running]) -> None:
        self._note("close", bells)

    def beat(self, bells: Collection[Running]) -> None:
        self._note("beat", bells)

    def _note(self, name: str, bells: Collection[Running]) -> None:
        if bells:
            self.written.put((name, len(bells)))
        if bells and name in self._fails:
            raise self._fails[name]


class Kept:
    """A bookkeeper at work, and what it says of ended bells."""

    def __init__(self, books: Any, clock: Any = None) -> None:
        self.ended: queues.SimpleQueue[tuple[int, int]] = queues.SimpleQueue()
        self.keeper = Bookkeeper(books, clock or SystemClock(), on_ended=self._note)

    def _note(self, live: int, backlog: int) -> None:
        if live or backlog:
            self.ended.put((live, backlog))


def bell(lane: Lane = "live", answer: Future[int] | None = None) -> Running:
    return Running(SimpleNamespace(id="bell"), lane, answer or Future())


@pytest.mark.parametrize("error", [redis.ConnectionError("away"), ZeroDivisionError("a fault of ours")])
@pytest.mark.parametrize("step", ["open", "close"])
def test_slots_come_back_whatever_becomes_of_the_books(
    step: str, error: Exception, caplog: pytest.LogCaptureFixture
):
    """Where Redis is away, or a registry is not as RQ leaves it, the log says so and the worker goes on."""
    books = Noted(**{step: error})
    kept = Kept(books)
    kept.keeper.start()
    for lane, told in (("live", (1, 0)), ("backlog", (0, 1))):
        one = bell(lane)
        kept.keeper.take([one])
        assert books.written.get(timeout=10) == ("open", 1)
        one.answer.set_result(1)
        assert kept.ended.get(timeout=10) == told
        assert books.written.get(timeout=10) == ("close", 1)
    kept.keeper.finish(10)
    assert kept.keeper.running() == []
    assert [each.message for each in caplog.records] == [said(error)] * 2


def said(error: Exception) -> str:
    return "books.redis_away" if isinstance(error, redis.RedisError) else "books.fault"


def test_what_ended_last_is_written_before_the_worker_leaves(
    client: redis.Redis, books: Books, lanes: dict[Lane, Queue]
):
    """Once the books are closed nothing is in them that was at work."""
    one = popped(lanes["live"], "live")
    kept = Kept(books)
    kept.keeper.take([one])
    kept.keeper.start()
    one.answer.set_result(1)
    kept.keeper.finish(10)
    assert client.keys("rq:execution*") == client.keys("rq:job*") == []
    assert kept.ended.get_nowait() == (1, 0)


def test_what_happens_within_a_few_milliseconds_is_written_together(monkeypatch: pytest.MonkeyPatch):
    """Registries are written once for all bells that come while the first of them is at its call."""
    books, more = Noted(), [bell() for _ in range(3)]
    kept = Kept(books)
    monkeypatch.setattr(
        module, "time", SimpleNamespace(sleep=lambda _: kept.keeper.take(more) or more.clear())
    )
    kept.keeper.start()
    kept.keeper.take([bell()])
    assert books.written.get(timeout=10) == ("open", 4)
    kept.keeper.finish(10)


@pytest.mark.parametrize("error", [redis.ConnectionError("away"), ZeroDivisionError("a fault of ours")])
def test_executions_beat_though_nothing_happens(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A call that takes long keeps its execution alive beside an idle worker, also after a beat that
    failed.
    """
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    books = Noted(beat=error)
    kept = Kept(books)
    kept.keeper.start()
    kept.keeper.take([bell()])
    told = [books.written.get(timeout=10) for _ in range(3)]
    assert told == [("open", 1), ("beat", 1), ("beat", 1)]
    kept.keeper.finish(10)
    assert {each.message for each in caplog.records} == {said(error)}


def test_executions_beat_no_more_often_than_needed():
    """Under load, where there is news all the time, beats are as far apart as else."""
    books, clock = Noted(), HandClock()
    kept = Kept(books, clock)
    kept.keeper.start()

    def written(count: int) -> list[str]:
        kept.keeper.take([bell()])
        return [books.written.get(timeout=10)[0] for _ in range(count)]

    assert written(1) + written(1) == ["open"] * 2
    clock.moment += timedelta(seconds=BEAT_SECONDS)
    assert written(2) + written(1) == ["open", "beat", "open"]
    kept.keeper.finish(10)
    assert books.written.empty()
