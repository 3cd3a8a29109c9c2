"""The worker as RQ's loop drives it: what it does of its own accord."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import call

import pytest
import redis
from rq import Queue
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import WorkerStatus

from service.connections import PATIENT_SECONDS
from service.queue import Ring
from tests.clocks import HandClock
from tests.edge.pool.engines import Engine, away, bell, goes_away, steps
from tests.running import until
from workers import pool
from workers.pool import LONGEST_AWAY_SECONDS, SUSPENSION_SECONDS, ConcurrentWorker
from workers.popping import Dropped, Popped


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


def test_no_command_hangs_for_long(worker: ConcurrentWorker):
    """RQ would let one hang for a minute, in which nothing is popped though another Redis has taken over."""
    assert worker.connection.connection_pool.connection_kwargs["socket_timeout"] == PATIENT_SECONDS
