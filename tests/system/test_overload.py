"""More deliveries than Redis takes: the rest is shed at once, and nothing that was answered 200 is lost."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import redis
import uvloop

from bench import stage
from bench.load import open_loop, signed

STOPPED_SECONDS = 0.9
"""Longer than anybody waits behind others (`LONGEST_WAIT_SECONDS` of service/intake/line.py)."""
RUNNING_SECONDS = 0.05


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """A process that hardly gets to run: Redis on a disk or machine that others use up."""
    ended = threading.Event()

    def slow() -> None:
        while not ended.is_set():
            os.kill(pid, signal.SIGSTOP)
            ended.wait(STOPPED_SECONDS)
            os.kill(pid, signal.SIGCONT)
            ended.wait(RUNNING_SECONDS)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_what_redis_does_not_keep_up_with_is_shed_at_once(tmp_path):
    """Far above what a slow Redis takes: 200, or an early 503 with `Retry-After`; nothing is half there."""
    with stage.redis_server(tmp_path / "redis") as url, redis.Redis.from_url(url) as client:
        pid = int(client.info("server")["process_id"])
        with stage.app("ours", tmp_path, url) as (port, _):
            requests = signed(0, 2_500, now=int(time.time()))
            with slowed(pid):
                answers = uvloop.run(open_loop(port, requests, per_second=1_000))
            assert set(answers.statuses) == {b"200", b"503"}
            assert answers.statuses[b"503"] > 200
            told = stage.asked(port, "/metrics")
            shed = re.search(r'reopener_deliveries_total\{reason="overloaded".*\} (\S+)', told)
            assert shed is not None
            assert float(shed[1]) > 200
            assert "retry-after" in refused_one(port, pid).headers
        accepted = int(client.hget("reopener:totals", "accepted"))
        assert accepted >= answers.ok
        assert accepted == sum(1 for _ in client.scan_iter("reopener:r:*", count=1000))


def refused_one(port: int, pid: int) -> httpx.Response:
    """What a delivery is told while Redis stands still."""
    head, body = signed(9_999_999, 1, now=int(time.time()))[0].split(b"\r\n\r\n", 1)
    lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    os.kill(pid, signal.SIGSTOP)
    try:
        return httpx.post(
            f"http://127.0.0.1:{port}/webhooks/bench", content=body, headers=dict(lines), trust_env=False
        )
    finally:
        os.kill(pid, signal.SIGCONT)
