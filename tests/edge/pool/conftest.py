"""A worker whose engine does as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from tests.clocks import HandClock
from tests.edge.pool.engines import Engine
from workers.pool import ConcurrentWorker


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
