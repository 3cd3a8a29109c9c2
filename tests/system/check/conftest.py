"""A sound installation: a real Redis as production wants it, a worker, an Acquire over HTTP."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import redis
import rq

from service.check.probes import SWEEPERS_KEY
from service.embedded import find_server
from service.queue import QUEUE_NAME
from service.settings import (
    AcquireSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    SourceSettings,
)
from tests.system.check.told import API_KEY, CLOCK, STRONG, STRONG_STANDARD

START_SECONDS = 20


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """Where a real server listens that is as production wants it."""
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    command = [find_server(), "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""]
    with subprocess.Popen(
        [*command, "--appendonly", "yes", "--appendfsync", "always"], stdout=subprocess.DEVNULL
    ) as server:
        wait_until_accepting(path)
        yield f"unix://{path}"
        server.terminate()


def wait_until_accepting(path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(unix_socket_path=str(path)) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return


@pytest.fixture
def server(redis_url) -> Iterator[redis.Redis]:
    """A client of the real server, whose data and configuration are as before when the test ends."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        changed = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "min-replicas-to-write")
        before = {name: client.config_get(name)[name] for name in changed}
        client.flushall()
        yield client
        client.replicaof("NO", "ONE")
        for name, value in before.items():
            client.config_set(name, value)


@pytest.fixture
def working(server, redis_url) -> redis.Redis:
    """The same Redis with a worker and a sweeper running."""
    with redis.Redis.from_url(redis_url) as raw:
        rq.SimpleWorker([QUEUE_NAME], connection=raw, name="w1").register_birth()
    server.hset(SWEEPERS_KEY, mapping={"dead": 1, "w1": CLOCK.now_ms()})
    return server


class Acquire(ThreadingHTTPServer):
    """Answers each request as it is told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AcquireHandler)
        self.status = 200
        self.clock_ahead = timedelta(0)
        self.hangs = threading.Event()
        self.hangs.set()
        self.requests: list[tuple[str, str | None]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class AcquireHandler(BaseHTTPRequestHandler):
    server: Acquire

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Authorization"]))
        self.server.hangs.wait()
        self.send_response_only(self.server.status)
        self.send_header("Date", format_datetime(CLOCK.now() + self.server.clock_ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def acquire() -> Iterator[Acquire]:
    with Acquire() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.hangs.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(redis_url, acquire, tmp_path) -> Settings:
    """Settings with nothing to mend."""
    return Settings(
        acquire=AcquireSettings(account_id="example", api_key=Secret(API_KEY), origin=acquire.origin),
        reopen=ReopenSettings(),
        retention=RetentionSettings(),
        sources={"support": SourceSettings("support", "standard", (Secret(STRONG_STANDARD),))},
        redis_url=Secret(redis_url),
        host="127.0.0.1",
        port=8080,
        admin_token=Secret(STRONG),
        data_dir=tmp_path,
        concurrency=32,
    )
