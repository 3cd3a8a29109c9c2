"""Fixtures of the tests that run the whole service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from bench import stack
from service.embedded import EmbeddedRedis
from tests.system.desk import Desk, desk_on


@pytest.fixture(scope="session")
def desk(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Receiver, worker and sandbox with a source of every kind. It is shared: take threads of your own."""
    with desk_on(tmp_path_factory.mktemp("desk"), f"{redis_server.url}?db=2") as desk:
        yield desk


CALL_TIMEOUT_SECONDS = 2.0

StartWorker = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="session")
def stand_in_process() -> Iterator[stack.StandIn]:
    stand_in = stack.StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def stand_in(stand_in_process: stack.StandIn) -> stack.StandIn:
    """A quick stand-in for Acquire that answers at once and counts from nothing."""
    stand_in_process.control(delay=0, mode="ok", reset=1)
    return stand_in_process


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def worker_log(tmp_path: Path) -> Path:
    """What the workers of this test say: JSON lines."""
    return tmp_path / "worker.log"


@pytest.fixture
def start(tmp_path: Path, redis_url: str, stand_in: stack.StandIn, worker_log: Path) -> Iterator[StartWorker]:
    """Starts a worker process; it is stopped at the end."""

    def start(
        concurrency: int = 4, rate_per_second: float = 0, on: str = redis_url
    ) -> subprocess.Popen[bytes]:
        env = stack.environment(
            tmp_path,
            on,
            stand_in.url,
            rate_per_second=rate_per_second,
            timeout_seconds=CALL_TIMEOUT_SECONDS,
        )
        command = [sys.executable, "-m", "workers", "--concurrency", str(concurrency)]
        return running.enter_context(stack.running(command, env, worker_log))

    with ExitStack() as running:
        yield start
