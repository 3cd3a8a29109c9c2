"""The engine comes to its end, whatever its tasks are at."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from bench import stack
from service.clock import SystemClock
from service.ledger.leases import Leases
from service.settings import load
from workers import ringing, runtime
from workers.engine import Engine
from workers.leaving import Leaving
from workers.pool import ConcurrentWorker
from workers.runtime import Runtime
from workers.tally import Tally


class _Sweeps:
    """Redis through a client that loses the first cancellation, as redis-py's does on Python 3.11."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    async def overdue(self) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def leave(self, _: str) -> None:
        pass


def test_a_lost_cancellation_does_not_keep_a_worker(tmp_path, redis_url):
    """An engine that is drained ends in time although one of its tasks lost a cancellation."""
    settings = load(stack.environment(tmp_path, redis_url, "http://127.0.0.1:9"), role="work", cwd=tmp_path)
    sweeps: Any = _Sweeps()

    def opened() -> Runtime:
        runtime = Runtime.open(settings, SystemClock(), concurrency=1)
        return replace(runtime, ledger=replace(runtime.ledger, sweeps=sweeps))

    engine = Engine(opened, name="w1")
    engine.start()
    assert sweeps.asked.wait(5)
    engine.drain(Leaving(SystemClock(), timeout_seconds=3))
    assert not engine.is_alive


def test_a_worker_ends_where_its_engine_died(redis_url):
    """Without an engine nothing is popped any more, and the process ends to be started again."""
    with redis.Redis.from_url(redis_url) as client:
        engine: Any = SimpleNamespace(is_alive=False, connection=Mock())
        worker = ConcurrentWorker(
            client, engine, SystemClock(), name="w1", concurrency=1, leaving=SimpleNamespace()
        )
        assert worker.dequeue_job_and_maintain_ttl(None) is None


@pytest.mark.parametrize("broken", [(Tally, "tell"), (Leases, "renew")])
def test_a_fault_beside_the_bells_does_not_end_the_engine(tmp_path, redis_url, monkeypatch, broken):
    """What tells of calls, or renews leases, goes on after a fault of ours: the next round may go well."""
    settings = load(stack.environment(tmp_path, redis_url, "http://127.0.0.1:9"), role="work", cwd=tmp_path)
    again = threading.Semaphore(0)

    async def fails(*_: object) -> None:
        again.release()
        raise ValueError

    monkeypatch.setattr(runtime, "TELL_SECONDS", 0.001)
    monkeypatch.setattr(ringing, "RENEWALS_A_LEASE", 10_000)
    monkeypatch.setattr(*broken, fails)
    engine = Engine(lambda: Runtime.open(settings, SystemClock(), concurrency=1), name="w1")
    engine.start()
    assert all(again.acquire(timeout=5) for _ in range(3))
    assert engine.is_alive
    monkeypatch.undo()
    engine.drain(Leaving(SystemClock(), timeout_seconds=3))


def test_who_waits_for_an_engine_that_ends_is_told(tmp_path, redis_url):
    """Whoever waits for what the engine does waits no longer than the engine lives."""
    settings = load(stack.environment(tmp_path, redis_url, "http://127.0.0.1:9"), role="work", cwd=tmp_path)
    engine = Engine(lambda: Runtime.open(settings, SystemClock(), concurrency=1), name="w1")
    engine.start()

    async def ends_meanwhile() -> None:
        engine._stopped.set()
        await asyncio.Event().wait()

    with pytest.raises(CancelledError):
        engine.do(ends_meanwhile())
