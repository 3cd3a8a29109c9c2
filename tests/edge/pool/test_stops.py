"""The worker, or one bell of it, as it is asked to stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from tests.clocks import HandClock
from tests.edge.pool.engines import Engine, away, bell, goes_away, steps
from workers import pool
from workers.pool import ConcurrentWorker

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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
