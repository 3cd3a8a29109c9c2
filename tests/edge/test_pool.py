"""The worker as RQ's loop drives it: what it does of its own accord, and what it is asked to do."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import WorkerStatus

from service.connections import PATIENT_SECONDS
from service.queue import Bells, Lane, Ring
from tests.clocks import HandClock
from tests.redises import free_port
from tests.running import until
from workers import pool
from workers.pool import LONGEST_AWAY_SECONDS, SUSPENSION_SECONDS, ConcurrentWorker
from workers.popping import Dropped, Popped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Engine:
    """Answers what it pops as it is told: bells, or an error."""

    def __init__(self) -> None:
        self.is_alive = True
        self.connection = Mock()
        self.pops: list[Callable[[], list[Popped | Dropped]]] = []
        self.submit = Mock()
        self.take_no_more = Mock()
        self.drain = Mock()

    def do(self, popping: Any) -> list[Popped | Dropped]:
        popping.close()
        return self.pops.pop(0)()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def worker(client: redis.Redis, engine: Engine, clock: HandClock) -> Iterator[ConcurrentWorker]:
    leaving: Any = Mock(left=lambda _: 10.0, last_begin_seconds=5.0)
    worker = ConcurrentWorker(client, engine, clock, name="w1", concurrency=8, leaving=leaving)
    yield worker
    if worker._bookkeeper._thread.is_alive():
        worker._bookkeeper.finish(10)


@pytest.fixture
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def goes_away(worker: ConcurrentWorker) -> None:
    """From now on nothing answers at its Redis' address."""
    worker.connection.connection_pool = redis.ConnectionPool(port=free_port(), retry=Retry(NoBackoff(), 0))


def bell(client: redis.Redis, lane: Lane = "live") -> Popped:
    told = Bells(client).bell("1000", lane)
    client.hset(told.job_key, items=list(told.fields))
    return Popped(Job.fetch(told.id, client, JSONSerializer), lane, Future())


def away() -> list[Popped | Dropped]:
    raise redis.ConnectionError("away")


def steps(caplog: pytest.LogCaptureFixture) -> list[str]:
    """At which steps Redis was found to be away."""
    records = [each for each in caplog.records if each.message == "worker.redis_away"]
    return [next(step for step in STEPS if f"'step': '{step}'" in repr(vars(each))) for each in records]


STEPS = ("suspension", "maintenance", "state", "drop", "pop", "teardown")


@pytest.mark.usefixtures("signals_as_they_were")
@pytest.mark.parametrize(("is_asked", "status"), [(True, 0), (False, 1)])
def test_signals_are_heeded_before_others_see_the_worker(
    worker: ConcurrentWorker, monkeypatch: pytest.MonkeyPatch, is_asked: bool, status: int
):
    """Whoever finds it in RQ may ask it to stop at once; one that ends unasked says so by its status."""
    heeded: list[object] = []

    def work(**_: object) -> None:
        heeded.extend(signal.getsignal(number) for number in SIGNALS)
        if is_asked:
            worker.request_stop(signal.SIGTERM, None)

    monkeypatch.setattr(worker, "work", work)
    assert worker.run() == status
    assert heeded == [worker.request_stop] * 3


def test_redis_is_asked_again_and_again_while_it_is_away(
    worker: ConcurrentWorker,
    engine: Engine,
    client: redis.Redis,
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """Ever more seldom, but every few seconds; as soon as it is back bells are popped, and the next time it
    is away it is asked soon again.
    """
    asked_at: list[float] = []

    def noted(answer: Callable[[], list[Popped | Dropped]]) -> Callable[[], list[Popped | Dropped]]:
        return lambda: asked_at.append(clock.monotonic()) or answer()

    def sleep(seconds: float) -> None:
        clock.moment += timedelta(seconds=seconds)

    monkeypatch.setattr(pool, "time", SimpleNamespace(sleep=sleep))
    popped = bell(client)
    engine.pops = [noted(answer) for answer in [*[away] * 6, list, away, lambda: [popped]]]
    found = worker.dequeue_job_and_maintain_ttl(None)
    assert found is not None
    assert found[0] is popped.job
    waits = [after - before for before, after in itertools.pairwise(asked_at)]
    grows, back = waits[:6], waits[7]
    assert grows == sorted(grows)
    assert grows[0] == pytest.approx(back, abs=0.2)
    assert grows[-1] == pytest.approx(LONGEST_AWAY_SECONDS, abs=0.2)
    assert 0.2 < grows[0] < 1
    assert steps(caplog) == ["pop"] * 7


def test_a_signal_ends_the_wait_for_redis(
    worker: ConcurrentWorker, engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch
):
    """A worker that waits for Redis to come back leaves within moments of being asked to."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.moment += timedelta(seconds=seconds)
        if len(slept) == 10:
            worker.request_stop(signal.SIGTERM, None)

    monkeypatch.setattr(pool, "time", SimpleNamespace(sleep=sleep))
    engine.pops = [away] * 9
    assert worker.dequeue_job_and_maintain_ttl(None) is None
    assert len(slept) == 10
    assert max(slept) < 0.5


def test_rqs_loop_goes_on_where_redis_is_away(worker: ConcurrentWorker, caplog: pytest.LogCaptureFixture):
    """RQ's own loop would end at the first error of what it asks for between two pops."""
    goes_away(worker)
    worker.check_for_suspension(burst=False)
    worker.heartbeat()
    worker.run_maintenance_tasks()
    worker.set_state(WorkerStatus.BUSY)
    assert steps(caplog) == ["suspension", "maintenance", "state"]


def test_redis_is_not_asked_more_often_than_there_is_news(
    worker: ConcurrentWorker, clock: HandClock, caplog: pytest.LogCaptureFixture
):
    """RQ's loop turns with every bell: what it asks each time is asked once a second."""
    worker.register_birth()
    worker.set_state(WorkerStatus.BUSY)
    worker.check_for_suspension(burst=False)
    goes_away(worker)
    worker.set_state(WorkerStatus.BUSY)
    worker.check_for_suspension(burst=False)
    worker.heartbeat()
    assert steps(caplog) == []
    clock.moment += timedelta(seconds=SUSPENSION_SECONDS)
    worker.check_for_suspension(burst=False)
    assert steps(caplog) == ["suspension"]


def test_an_idle_worker_stays_registered(
    worker: ConcurrentWorker, engine: Engine, client: redis.Redis, clock: HandClock
):
    """RQ forgets a worker that has not been heard of for a while."""
    worker.register_birth()

    def time_passes() -> list[Popped | Dropped]:
        clock.moment += timedelta(seconds=SUSPENSION_SECONDS)
        client.expire(worker.key, 5)
        return []

    def stops() -> list[Popped | Dropped]:
        worker.request_stop(signal.SIGTERM, None)
        return []

    engine.pops = [time_passes, stops]
    assert worker.dequeue_job_and_maintain_ttl(None) is None
    assert client.ttl(worker.key) > pool.WORKER_TTL_SECONDS


def test_an_idle_worker_tidies_rqs_registries(worker: ConcurrentWorker, engine: Engine, client: redis.Redis):
    """What a dead worker had started is failed in RQ's registry also where nothing is popped for long."""
    queue = Queue("reopener", connection=client, serializer=JSONSerializer)
    abandoned = queue.enqueue("workers.jobs.ring")
    abandoned.set_status(JobStatus.STARTED)
    client.delete(queue.key)
    client.zadd(queue.started_job_registry.key, {f"{abandoned.id}:execution": 1})
    worker.last_cleaned_at = now() - timedelta(seconds=worker.maintenance_interval + 1)

    def stops() -> list[Popped | Dropped]:
        worker.request_stop(signal.SIGTERM, None)
        return []

    engine.pops = [list, stops]
    assert worker.dequeue_job_and_maintain_ttl(None) is None
    assert queue.failed_job_registry.get_job_ids() == [abandoned.id]


def test_rq_is_told_whether_it_is_at_work(worker: ConcurrentWorker, engine: Engine, client: redis.Redis):
    """Busy as long as a bell is in work, also while others are waited for, and idle thereafter."""
    worker.register_birth()
    worker._bookkeeper.start()
    popped = bell(client)
    states: list[bytes] = []

    def looks() -> list[Popped | Dropped]:
        states.append(client.hget(worker.key, "state"))
        return []

    def ends() -> list[Popped | Dropped]:
        popped.answer.set_result(1)
        until(lambda: not worker._bookkeeper.running())
        return []

    def stops() -> list[Popped | Dropped]:
        worker.request_stop(signal.SIGTERM, None)
        return looks()

    engine.pops = [lambda: [popped], looks, ends, stops]
    found = worker.dequeue_job_and_maintain_ttl(None)
    assert found is not None
    worker.execute_job(*found)
    assert worker.dequeue_job_and_maintain_ttl(None) is None
    assert states == [b"busy", b"idle"]


def test_what_cannot_be_dropped_holds_up_no_bell(
    worker: ConcurrentWorker, engine: Engine, client: redis.Redis, caplog: pytest.LogCaptureFixture
):
    """Where Redis goes away while a stranger's job is put aside, the bells that came with it are kept."""
    popped = bell(client)

    def both() -> list[Popped | Dropped]:
        goes_away(worker)
        return [popped, Dropped("gone", "live", "its job is gone")]

    engine.pops = [both]
    found = worker.dequeue_job_and_maintain_ttl(None)
    assert found is not None
    assert found[0] is popped.job
    assert steps(caplog) == ["drop"]


def test_bells_take_slots_of_their_lane(
    worker: ConcurrentWorker, engine: Engine, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    """What is in work of each lane leaves that lane the less room, and what waits of the backlog a little."""
    rooms: list[tuple[int, int, int]] = []

    async def pop(room: Any, *, wait_seconds: float) -> None:
        """Never run: the engine pops as it is told."""

    def popping(room: Any, *, wait_seconds: float) -> Any:
        rooms.append((room.live, room.backlog, room.both))
        return pop(room, wait_seconds=wait_seconds)

    monkeypatch.setattr(worker._popper, "pop", popping)
    engine.pops = [
        lambda: [bell(client), bell(client)],
        lambda: [bell(client, "backlog")],
        lambda: [bell(client)],
    ]
    for backlog_waits in (True, False, True):
        worker._popper.backlog_waits = backlog_waits
        assert worker.dequeue_job_and_maintain_ttl(None)
    assert rooms == [(7, 6, 8), (6, 6, 6), (5, 5, 5)]


def test_a_bell_is_answered_in_its_lane_and_within_its_time(worker: ConcurrentWorker, engine: Engine):
    """The engine is told whose bell it is, where it stood, and when to give it up."""
    worker._popper._submit(Ring("1000", "bell-1", 1), "backlog", 60.0)
    assert engine.submit.mock_calls == [call("1000", "bell-1", "backlog", limit_seconds=60.0)]


def test_a_worker_whose_loop_ended_leaves_as_after_a_signal(
    worker: ConcurrentWorker, engine: Engine, client: redis.Redis, caplog: pytest.LogCaptureFixture
):
    """Whatever ended RQ's loop: the time to leave is bounded, what is in flight comes to its end, and the log
    says how much that is.
    """
    caplog.set_level("INFO", "workers.pool")
    worker.register_birth()
    worker._bells = [bell(client), bell(client)]
    worker.execute_job(worker._bells[0].job, worker.queues[0])
    worker._bookkeeper.start()
    worker.teardown()
    (told,) = [each for each in caplog.records if each.message == "worker.drains"]
    assert "'in_flight': 2" in repr(vars(told))
    leaving: Any = worker._leaving
    assert leaving.begin.called
    engine.take_no_more.assert_called_with(5.0)
    engine.drain.assert_called_once_with(leaving)
    assert not worker._bookkeeper._thread.is_alive()


def test_a_worker_leaves_though_redis_is_away(worker: ConcurrentWorker, caplog: pytest.LogCaptureFixture):
    """It cannot sign off then; RQ finds out by itself."""
    goes_away(worker)
    worker._bookkeeper.start()
    worker.teardown()
    assert steps(caplog) == ["teardown"]


def test_nothing_that_listens_is_waited_for(worker: ConcurrentWorker):
    """The thread that listens for RQ's commands takes no time of the leave: it ends with the process."""
    worker.register_birth()
    worker._bookkeeper.start()
    listening = worker.pubsub_thread = Mock()
    worker.teardown()
    assert not listening.join.called


def test_the_time_to_leave_begins_at_the_signal(worker: ConcurrentWorker, engine: Engine):
    """Not when RQ's loop comes round to it, which may hang at Redis meanwhile; nothing more is taken then."""
    worker.request_stop(signal.SIGTERM, None)
    leaving: Any = worker._leaving
    assert leaving.begin.called
    engine.take_no_more.assert_called_with(5.0)


def test_no_command_hangs_for_long(worker: ConcurrentWorker):
    """RQ would let one hang for a minute, in which nothing is popped though another Redis has taken over."""
    assert worker.connection.connection_pool.connection_kwargs["socket_timeout"] == PATIENT_SECONDS


@pytest.mark.parametrize("command", ["stop-execution", "stop-job"])
def test_only_what_is_meant_is_stopped(
    worker: ConcurrentWorker, client: redis.Redis, caplog: pytest.LogCaptureFixture, command: str
):
    """RQ's commands find it by its id, whatever else is in work or not registered yet; it is noted as stopped
    before anybody learns that it ended, and the log says so.
    """
    meant, other, unregistered = (bell(client) for _ in range(3))
    stopped_first: list[bool] = []
    meant.answer.add_done_callback(
        lambda _: stopped_first.extend(
            each.is_stopped for each in worker._bookkeeper.running() if each.answer is meant.answer
        )
    )
    worker._bells = [meant, other, unregistered]
    worker._bookkeeper.take([pool.Running(each.job, each.lane, each.answer) for each in worker._bells])
    running = {each.answer: each for each in worker._bookkeeper.running()}
    worker._books.open([running[meant.answer], running[other.answer]])
    execution = running[meant.answer].execution
    assert execution is not None
    ids = {"stop-execution": {"execution_id": execution.id}, "stop-job": {"job_id": meant.job.id}}
    worker.handle_payload({"data": json.dumps({"command": command, **ids[command]}).encode()})
    assert [each.answer.cancelled() for each in worker._bells] == [True, False, False]
    assert stopped_first == [True]
    (told,) = [each for each in caplog.records if each.message == "bell.stopped"]
    assert meant.job.id in repr(vars(told))
