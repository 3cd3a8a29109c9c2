"""A backlog, worked off by our worker service, by RQ's own workers, and by a bare loop of the same calls."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import backlog, bare, rqs, stack
from bench.stack import Redis, StandIn, Told

IN_FLIGHT = 64
HIDDEN_QUEUE = "hidden"
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


def drain(*, short: bool) -> None:
    share = 5 if short else 1
    _drain("in 300 ms", 0.3, ours=2_000 // share, pool=400 // share, forking=20 // share)
    _drain("in 50 ms", 0.05, ours=4_000 // share, pool=2_000 // share, forking=60 // share)
    _drain("at once", 0.0, ours=6_000 // share, pool=4_000 // share, forking=100 // share)


def _drain(title: str, delay: float, *, ours: int, pool: int, forking: int) -> None:
    print(f"\ndrain, Acquire answers {title}: {ours:,} reopens, {IN_FLIGHT} in flight")
    found = [
        _ours(delay, ours),
        _rq("rq worker-pool, 16 SimpleWorkers", delay, pool, rqs.pool_command, rqs.POOL),
        _rq("rq worker", delay, forking, rqs.worker_command, 1),
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
    per_second, jobs = us.calls_per_second, us.jobs_per_second
    print(
        f"  {per_second / rq_pool.calls_per_second:.2f} times the calls a second of the pool of {rqs.POOL},"
        f" with {us.resident_mb / rq_pool.resident_mb:.0%} of its memory;"
        f" {jobs / rq_worker.jobs_per_second:.0f} times the jobs a second of rq worker;"
        f" {per_second / loop.calls_per_second:.0%} of the bare loop"
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
        backlog.enqueue_naive(redis.url, count, stand_in.url)
        redis.client.rename(rqs.QUEUE_KEY, HIDDEN_QUEUE)  # until all workers stand
        with stack.running(command(redis.url), None, folder / "rq.log") as process:
            client = redis.client
            stands = "all of RQ's workers stand"
            stack.until(lambda: client.scard(rqs.WORKERS_KEY) == workers, stands, limit_seconds=60)
            client.rename(HIDDEN_QUEUE, rqs.QUEUE_KEY)
            return _measured(
                name, process.pid, stand_in, count, backlog.CALLS_NAIVE,
                lambda: stand_in.told().calls >= backlog.CALLS_NAIVE * count,
            )  # fmt: skip


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
def _scene(delay_seconds: float) -> Iterator[tuple[Path, Redis, StandIn]]:
    with tempfile.TemporaryDirectory() as name, stack.scene(Path(name)) as (redis, stand_in):
        stand_in.control(delay=delay_seconds)
        yield Path(name), redis, stand_in


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
