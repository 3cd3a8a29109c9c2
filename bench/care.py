"""Gentle while Acquire is away, and nothing lost or doubled by deploys."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import backlog, stack
from bench.stack import Redis, StandIn

WAITING, WAITING_SHORT = 10_000, 1_500
AWAY_SECONDS, AWAY_SECONDS_SHORT = 60.0, 15.0
RATE_PER_SECOND = 240
DEPLOYS, DEPLOYS_SHORT = 20, 4
DEPLOY_SECONDS = 1.5
WORKERS_KEY = "rq:workers:reopener"
EVENTS_PER_SECOND = 40
TIMEOUT_SECONDS = 3.0
FIRST_SECONDS = 2.0
"""Calls that are out when nobody knows yet are told apart from those that are made although it is known."""
COMMAND = [sys.executable, "-m", "workers", "--concurrency", "64"]


def away(*, short: bool) -> None:
    waiting = WAITING_SHORT if short else WAITING
    seconds = AWAY_SECONDS_SHORT if short else AWAY_SECONDS
    for mode in ("refuse", "hang"):
        with tempfile.TemporaryDirectory() as name, stack.scene(Path(name)) as (redis, stand_in):
            _away(Path(name), redis, stand_in, mode, waiting, seconds)


def _away(
    folder: Path, redis: Redis, stand_in: StandIn, mode: str, waiting: int, away_seconds: float
) -> None:
    print(f"\naway: {waiting:,} waiting, Acquire away for {away_seconds:g} s ({mode})")
    stand_in.control(mode=mode)
    backlog.admit(redis.url, waiting)
    env = stack.environment(folder, redis.url, stand_in.url, rate_per_second=RATE_PER_SECOND)
    with stack.running(COMMAND, env, folder / "worker.log"):
        stack.until(lambda: stand_in.told().calls > 0, "the first call", limit_seconds=20)
        time.sleep(away_seconds)
        told_away = stand_in.told()
        stand_in.control(mode="ok", reset=1)
        back_at = time.monotonic()
        stack.until(
            lambda: backlog.ended(redis.client) >= waiting,
            "all are done",
            limit_seconds=600,
            every_seconds=0.1,
        )
        seconds = time.monotonic() - back_at
    told = stand_in.told()
    allowed = told.calls / RATE_PER_SECOND
    spent, total = backlog.attempts(redis.client)
    calls = told_away.calls
    at_first = sum(at < told_away.at[0] + FIRST_SECONDS for at in told_away.at)
    print(
        f"  while away   {calls} calls, {calls / away_seconds:.2f} a second: {at_first} in the first"
        f" {FIRST_SECONDS:g} s, {(calls - at_first) / (away_seconds - FIRST_SECONDS):.2f} a second after that"
    )
    print(
        f"  afterwards   {told.calls:,} calls in {seconds:.1f} s: {seconds / allowed:.2f} times what"
        f" {RATE_PER_SECOND} a second allow"
    )
    print(f"  attempts     {spent} spent besides the last of each; {total:,} reopens, {told.doubled} doubled")


def deploys(*, short: bool) -> None:
    times = DEPLOYS_SHORT if short else DEPLOYS
    print(f"\ndeploys: {times} times SIGTERM and start, {EVENTS_PER_SECOND} events a second, 300 ms a call")
    with tempfile.TemporaryDirectory() as name, stack.scene(Path(name)) as (redis, stand_in):
        stand_in.control(delay=0.3)
        env = stack.environment(Path(name), redis.url, stand_in.url, timeout_seconds=TIMEOUT_SECONDS)
        with _load(redis.url) as load:
            statuses, took = _deployed(env, Path(name), times, load, redis)
        told, (spent, total) = stand_in.told(), backlog.attempts(redis.client)
    lost = total - told.threads
    print(f"  {total} events: {lost} lost, {told.doubled} doubled, {spent} attempts spent")
    print(
        f"  exit statuses {sorted(set(statuses))}, the slowest after {max(took):.2f} s"
        f" (call time-out {TIMEOUT_SECONDS:g} s)"
    )


def _deployed(
    env: dict[str, str], folder: Path, times: int, load: Load, redis: Redis
) -> tuple[list[int], list[float]]:
    """The exit statuses, and the seconds that each took to go."""
    statuses: list[int] = []
    took: list[float] = []
    worker = _start(env, folder, redis)
    try:
        for _ in range(times):
            time.sleep(DEPLOY_SECONDS)
            following = _start(env, folder, redis)  # both are there for a while, as in a rolling deploy
            asked_at = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            statuses.append(worker.wait(TIMEOUT_SECONDS + 20))
            took.append(time.monotonic() - asked_at)
            worker = following
        load.stop()
        stack.until(lambda: backlog.ended(redis.client) >= load.admitted, "all are done", limit_seconds=120)
    finally:
        worker.terminate()
        worker.wait()
    return statuses, took


class Load:
    """Events at a steady rate, until it is stopped."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self.admitted = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.5):
            backlog.admit(self._redis_url, EVENTS_PER_SECOND // 2, first=self.admitted)
            self.admitted += EVENTS_PER_SECOND // 2


@contextmanager
def _load(redis_url: str) -> Iterator[Load]:
    load = Load(redis_url)
    try:
        yield load
    finally:
        load.stop()


def _start(env: dict[str, str], folder: Path, redis: Redis) -> subprocess.Popen[bytes]:
    """A worker that stands."""
    before = redis.client.scard(WORKERS_KEY)
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(COMMAND, env=env, stdout=log, stderr=log)
    stack.until(lambda: redis.client.scard(WORKERS_KEY) > before, "a worker stands", limit_seconds=30)
    return worker
