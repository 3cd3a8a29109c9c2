"""Gentle while Acquire is away, and nothing lost or doubled by deploys."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import backlog, stack
from bench.stack import Redis, StandIn

WAITING = 10_000
AWAY_SECONDS = 60.0
RATE_PER_SECOND = 240
CALLS_A_REOPEN = 3
DEPLOYS = 20
DEPLOY_SECONDS = 1.5
EVENTS_PER_SECOND = 40
TIMEOUT_SECONDS = 3.0


def away() -> None:
    for mode in ("refuse", "hang"):
        _away(mode)


def _away(mode: str) -> None:
    print(f"\naway: {WAITING:,} waiting, Acquire away for {AWAY_SECONDS:g} s ({mode})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, stand_in = Redis(folder), StandIn()
        try:
            stand_in.control(mode=mode)
            backlog.admit(redis.url, WAITING)
            env = stack.environment(folder, redis.url, stand_in.url, rate_per_second=RATE_PER_SECOND)
            command = [sys.executable, "-m", "workers", "--concurrency", "64"]
            with stack.running(command, env, folder / "worker.log"):
                stack.until(lambda: stand_in.told().calls > 0, "the first call", limit_seconds=20)
                time.sleep(AWAY_SECONDS)
                calls = stand_in.told().calls
                stand_in.control(mode="ok", reset=1)
                back_at = time.monotonic()
                done = "all are done"
                stack.until(
                    lambda: backlog.ended(redis.client) >= WAITING, done, limit_seconds=600, every_seconds=0.1
                )
                seconds = time.monotonic() - back_at
            told = stand_in.told()
            allowed = told.calls / RATE_PER_SECOND
            spent, total = backlog.attempts(redis.client)
        finally:
            stand_in.close()
            redis.close()
    print(f"  while away   {calls} calls, {calls / AWAY_SECONDS:.2f} a second")
    print(
        f"  afterwards   {told.calls:,} calls in {seconds:.1f} s: {seconds / allowed:.2f} times what"
        f" {RATE_PER_SECOND} a second allow"
    )
    print(f"  attempts     {spent} spent besides the last of each; {total:,} reopens, {told.doubled} doubled")


def deploys() -> None:
    print(f"\ndeploys: {DEPLOYS} times SIGTERM and start, {EVENTS_PER_SECOND} events a second, 300 ms a call")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, stand_in = Redis(folder), StandIn()
        stand_in.control(delay=0.3)
        env = stack.environment(folder, redis.url, stand_in.url, timeout_seconds=TIMEOUT_SECONDS)
        admitted, over = 0, threading.Event()

        def load() -> None:
            nonlocal admitted
            while not over.wait(0.5):
                backlog.admit(redis.url, EVENTS_PER_SECOND // 2, first=admitted)
                admitted += EVENTS_PER_SECOND // 2

        loading = threading.Thread(target=load)
        loading.start()
        took: list[float] = []
        statuses: list[int] = []
        try:
            worker = _start(env, folder)
            for _ in range(DEPLOYS):
                time.sleep(DEPLOY_SECONDS)
                following = _start(env, folder)  # the new one stands before the old one is asked to go
                asked_at = time.monotonic()
                worker.send_signal(signal.SIGTERM)
                statuses.append(worker.wait(TIMEOUT_SECONDS + 20))
                took.append(time.monotonic() - asked_at)
                worker = following
            over.set()
            loading.join()
            stack.until(lambda: backlog.ended(redis.client) >= admitted, "all are done", limit_seconds=120)
            worker.terminate()
            worker.wait()
            told, (spent, total) = stand_in.told(), backlog.attempts(redis.client)
        finally:
            over.set()
            stand_in.close()
            redis.close()
    lost = total - told.threads
    print(f"  {total} events: {lost} lost, {told.doubled} doubled, {spent} attempts spent")
    print(f"  exit statuses {sorted(set(statuses))}, the slowest after {max(took):.2f} s")


def _start(env: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "worker.log").open("ab") as log:
        command = [sys.executable, "-m", "workers", "--concurrency", "64"]
        return subprocess.Popen(command, env=env, stdout=log, stderr=log)
