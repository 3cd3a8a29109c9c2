"""The engine comes to its end, whatever its tasks are at."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

from bench import stack
from service.clock import SystemClock
from service.settings import load
from workers.engine import Engine
from workers.leaving import Leaving
from workers.runtime import Runtime


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
    assert not engine._thread.is_alive()
