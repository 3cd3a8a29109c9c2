"""A receiver with a spool while Redis is killed, or hangs, under a steady load: is all there, and when?"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import redis
import uvloop

from bench import stage
from bench.load import Answers, open_loop, signed

SPOOL_MB = 64
BEFORE_SECONDS = 3.0
AFTER_SECONDS = 3.0
DRAIN_LIMIT_SECONDS = 120.0

How = Literal["killed", "hangs"]


@dataclass(frozen=True, slots=True)
class Outage:
    """What came of it; `admitted` is what Redis counts, `records` what it holds, once the spool is empty."""

    how: How
    answers: Answers
    spooled: int
    drained_seconds: float
    admitted: int
    records: int

    @property
    def is_whole(self) -> bool:
        """All were answered with 200, and each is there once."""
        count = len(self.answers.ms)
        return self.answers.ok == self.admitted == self.records == count

    def __str__(self) -> str:
        ranks = "  ".join(
            f"p{share:.4g} {self.answers.percentile(share / 100):.1f} ms" for share in (50, 99, 99.9)
        )
        return (
            f"Redis {self.how}: {len(self.answers.ms)} deliveries, {self.answers.ok} answered 200,"
            f" {self.admitted} admitted, {self.records} records\n"
            f"  {ranks}  slowest {max(self.answers.ms):.0f} ms   (p99 under 100)\n"
            f"  {self.spooled} waited on the disk when Redis came back, the last was in it"
            f" {self.drained_seconds:.1f} s later"
        )


def outage(folder: Path, how: How, *, away_seconds: float, per_second: float) -> Outage:
    """Load at this rate before, while and after Redis is away for so many seconds."""
    with ExitStack() as stack:
        redis_folder = folder / "redis"
        first = stack.enter_context(_redis(redis_folder))
        port, _ = stack.enter_context(
            stage.app("ours", folder, f"unix://{redis_folder}/redis.sock", REOPENER_SPOOL_MB=str(SPOOL_MB))
        )
        seconds = BEFORE_SECONDS + away_seconds + AFTER_SECONDS
        requests = signed(0, int(per_second * seconds), now=int(time.time()))
        answers, spooled, drained_seconds = uvloop.run(
            _under_load(port, requests, first, stack, redis_folder, how, away_seconds, per_second)
        )
        with redis.Redis(unix_socket_path=str(redis_folder / "redis.sock")) as client:
            admitted = int(client.hget("reopener:totals", "accepted"))
            records = sum(1 for _ in client.scan_iter("reopener:r:*", count=1000))
    return Outage(how, answers, spooled, drained_seconds, admitted, records)


async def _under_load(
    port: int,
    requests: list[bytes],
    pid: int,
    stack: ExitStack,
    redis_folder: Path,
    how: How,
    away_seconds: float,
    per_second: float,
) -> tuple[Answers, int, float]:
    load = asyncio.create_task(open_loop(port, requests, per_second=per_second))
    await asyncio.sleep(BEFORE_SECONDS)
    os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    await asyncio.sleep(away_seconds)
    spooled = await asyncio.to_thread(_spooled, port)
    if how == "killed":
        await asyncio.to_thread(stack.enter_context, _redis(redis_folder))
    else:
        os.kill(pid, signal.SIGCONT)
    back_at = time.perf_counter()
    await asyncio.to_thread(_wait_until_drained, port)
    drained_seconds = time.perf_counter() - back_at
    return await load, spooled, drained_seconds


@contextmanager
def _redis(folder: Path) -> Iterator[int]:
    with stage.redis_server(folder) as url:
        yield stage.redis_pid(url)


def _spooled(port: int) -> int:
    """The deliveries that wait on the receiver's disk, as its metrics tell."""
    told = stage.asked(port, "/metrics")
    return int(float(next(line for line in told.splitlines() if line.startswith(_GAUGE)).split()[1]))


def _wait_until_drained(port: int) -> None:
    deadline = time.monotonic() + DRAIN_LIMIT_SECONDS
    while _spooled(port):
        if time.monotonic() > deadline:
            raise RuntimeError("the spool was not drained")
        time.sleep(0.05)


_GAUGE = "reopener_spool_deliveries "
