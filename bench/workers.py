"""`make bench-workers`: our worker service beside RQ's own workers, in one run, in turn.

    drain    a backlog, Acquire answering in 300 ms, in 50 ms, and at once
    idle     from a webhook to the first byte of the first call
    away     10,000 waiting while Acquire is away for a minute
    deploys  20 times SIGTERM and start, under load

RQ's workers run what one would write first (bench/naive.py): a look and a call, nothing stored, nothing
made safe. A reopen of ours is three calls, since its look asks two things side by side. Ratios count.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import backlog, bare, stack
from bench.care import away, deploys
from bench.idle import idle
from bench.stack import Redis, StandIn, Told

IN_FLIGHT = 64
POOL = 16
CALLS_A_REOPEN = 3
ROUNDS_A_REOPEN = 2
"""What a reopen of ours waits for in turn: the look, whose two calls go side by side, and the call."""


@dataclass(frozen=True)
class Drained:
    """One contender's figures."""

    name: str
    jobs_per_second: float
    calls_per_second: float
    resident_mb: float = 0.0
    cpu_ms_per_job: float = 0.0


def main() -> int:
    asked = sys.argv[1:] or ["drain", "idle", "away", "deploys"]
    for name in asked:
        PARTS[name]()
    return 0


def drain() -> None:
    _drain("300 ms", 0.3, ours=2_000, pool=400, forking=20)
    _drain("50 ms", 0.05, ours=4_000, pool=2_000, forking=60)
    _drain("at once", 0.0, ours=6_000, pool=4_000, forking=100)


def _drain(title: str, delay: float, *, ours: int, pool: int, forking: int) -> None:
    print(f"\ndrain, Acquire answers {title}: {ours:,} reopens, {IN_FLIGHT} in flight")
    found = [
        _ours(delay, ours),
        _rq("rq worker-pool, 16 SimpleWorkers", delay, pool, _pool_command, POOL),
        _rq("rq worker", delay, forking, _worker_command, 1),
        _bare(delay, pool),
    ]
    for each in found:
        print(
            f"  {each.name:34} {each.jobs_per_second:8.1f} jobs/s {each.calls_per_second:8.1f} calls/s"
            f" {each.resident_mb:6.0f} MB {each.cpu_ms_per_job:6.2f} ms of processor a job"
        )
    us, rq_pool, rq_worker, loop = found
    if delay:
        allowed = IN_FLIGHT / (ROUNDS_A_REOPEN * delay)
        print(f"  of what {IN_FLIGHT} in flight allow       {us.jobs_per_second / allowed:6.0%}")
    print(
        f"  calls a second: {us.calls_per_second / rq_pool.calls_per_second:.2f} times the pool of {POOL},"
        f" {us.calls_per_second / loop.calls_per_second:.0%} of the bare loop;"
        f" jobs a second: {us.jobs_per_second / rq_worker.jobs_per_second:.0f} times rq worker;"
        f" memory: {us.resident_mb / rq_pool.resident_mb:.0%} of the pool's"
    )


def _ours(delay: float, count: int) -> Drained:
    with _scene(delay) as (folder, redis, stand_in):
        backlog.admit(redis.url, count)
        env = stack.environment(folder, redis.url, stand_in.url)
        command = [sys.executable, "-m", "workers", "--concurrency", str(IN_FLIGHT)]
        with stack.running(command, env, folder / "worker.log") as process:
            return _measured(
                "our worker service", process.pid, stand_in, count, CALLS_A_REOPEN,
                lambda: backlog.ended(redis.client) >= count,
            )  # fmt: skip


def _rq(name: str, delay: float, count: int, command: Callable[[str], list[str]], workers: int) -> Drained:
    with _scene(delay) as (folder, redis, stand_in):
        redis.client.set("rq:suspended", 1)
        backlog.enqueue_naive(redis.url, count, stand_in.url)
        with stack.running(command(redis.url), None, folder / "rq.log") as process:
            client = redis.client
            stands = "all of RQ's workers stand"
            stack.until(lambda: client.scard("rq:workers:naive") == workers, stands, limit_seconds=60)
            client.delete("rq:suspended")
            return _measured(
                name, process.pid, stand_in, count, backlog.CALLS_NAIVE,
                lambda: stand_in.told().calls >= backlog.CALLS_NAIVE * count,
            )  # fmt: skip


def _pool_command(redis_url: str) -> list[str]:
    options = ["--worker-class", "rq.worker.SimpleWorker", "--num-workers", str(POOL)]
    return [sys.executable, "-m", "rq.cli", "worker-pool", *_rq_options(redis_url), *options, "naive"]


def _worker_command(redis_url: str) -> list[str]:
    return [sys.executable, "-m", "rq.cli", "worker", *_rq_options(redis_url), "naive"]


def _rq_options(redis_url: str) -> list[str]:
    serializer = "rq.serializers.JSONSerializer"
    return ["--url", redis_url, "--serializer", serializer, "--logging-level", "WARNING"]


def _bare(delay: float, count: int) -> Drained:
    """The same calls from as many threads of one process, and nothing else."""
    with _scene(delay) as (folder, _, stand_in):
        command = [sys.executable, "-m", "bench.bare", stand_in.url, str(count), str(IN_FLIGHT)]
        with stack.running(command, None, folder / "bare.log") as process:
            return _measured(
                f"bare loop, {IN_FLIGHT} threads", process.pid, stand_in, count, bare.CALLS,
                lambda: stand_in.told().calls >= bare.CALLS * count,
            )  # fmt: skip


@contextmanager
def _scene(delay: float) -> Iterator[tuple[Path, Redis, StandIn]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, stand_in = Redis(folder), StandIn()
        stand_in.control(delay=delay)
        try:
            yield folder, redis, stand_in
        finally:
            stand_in.close()
            redis.close()


def _measured(
    name: str, pid: int, stand_in: StandIn, count: int, calls_a_job: int, is_done: Callable[[], bool]
) -> Drained:
    """Calls a second over the middle of the run, so that starting and ending do not count; most memory."""
    most_mb, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most_mb
        while not done.wait(0.2):
            most_mb = max(most_mb, stack.resident_mb(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        stack.until(is_done, f"{name} is done", limit_seconds=600, every_seconds=0.2)
        cpu = stack.cpu_seconds(pid)
    finally:
        done.set()
        watching.join()
    told: Told = stand_in.told()
    per_second = told.middle_rate()
    return Drained(name, per_second / calls_a_job, per_second, most_mb, cpu / count * 1000)


PARTS: dict[str, Callable[[], None]] = {"drain": drain, "idle": idle, "away": away, "deploys": deploys}

if __name__ == "__main__":
    sys.exit(main())
