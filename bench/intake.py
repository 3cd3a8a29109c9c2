"""How fast durable intake is, beside the same service written naively and beside Starlette answering at once.

    python -m bench.intake [rates] [outage] [million] [--rounds N] [--seconds S]

`rates` (done where nothing is named): all three run as anybody would run them (one process of uvicorn with
uvloop and httptools, placed by the scheduler), on a Redis of their own with AOF `everysec`, in turn, several
rounds; medians are compared, and the processor time of a delivery is told. Then ours gets half of its rate in
open loop. Redis rewrites its file in a run of its own: it does so whenever that has doubled, a third process
on two cores, and whether that is within so few seconds goes by the rate. `outage`: Redis is killed, and then
hangs, for 60 s (or `--away S`) under 200 deliveries a second. `million`: so many deliveries at one rate all
along, and what the receiver's memory makes of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from redis import Redis

from bench import stage, warm
from bench.load import Answers, closed_loop, open_loop, percentile, signed
from bench.outage import outage

CONNECTIONS = 32
MOST_PER_SECOND = {"at_once": 40_000, "naive": 4_000, "ours": 12_000}
OPEN_LOOP_SECONDS = 8
OPEN_LOOP_P99_MS, OPEN_LOOP_P999_MS = 10, 30
OUTAGE_PER_SECOND = 200
OUTAGE_P99_MS = 100
MILLION, FIRST = 1_000_000, 100_000
AT_ONE_GO = 50_000
MILLION_PER_SECOND = 2_500
"""The memory goes by the rate, since what came in the last ten seconds is kept: both are told at one."""


def main() -> int:
    arguments = _arguments()
    parts = arguments.parts or ["rates"]
    print(warm.told())
    with tempfile.TemporaryDirectory(prefix="reopener-bench-") as name:
        folder = Path(name)
        holds = []
        if "rates" in parts:
            holds.append(_compared(folder, arguments.rounds, arguments.seconds))
        if "outage" in parts:
            holds.append(_outages(folder / "outage", arguments.away))
        if "million" in parts:
            holds.append(_million(folder / "million"))
    return 0 if all(holds) else 1


def _compared(folder: Path, rounds: int, seconds: float) -> bool:
    rates = _rates(folder, rounds, seconds)
    ours, naive, at_once = rates["ours"], rates["naive"], rates["at_once"]
    print(f"ours / naive    {ours / naive:5.2f}   (at least 4)")
    print(f"ours / at once  {ours / at_once:5.2f}   (at least 0.33)")
    open_loop_holds = _open_loop(folder / "open", ours / 2)
    return ours >= 4 * naive and ours >= at_once / 3 and open_loop_holds


def _outages(folder: Path, away_seconds: float) -> bool:
    holds = True
    for how in ("killed", "hangs"):
        came = outage(folder / how, how, away_seconds=away_seconds, per_second=OUTAGE_PER_SECOND)
        print(came)
        holds = holds and came.is_whole and came.answers.percentile(0.99) < OUTAGE_P99_MS
    return holds


def _rates(folder: Path, rounds: int, seconds: float) -> dict[str, float]:
    """The median rate of each, measured in turn."""
    measured: dict[str, list[float]] = {name: [] for name in MOST_PER_SECOND}
    costs: dict[str, list[list[float]]] = {name: [] for name in MOST_PER_SECOND}
    for place, (name, most) in itertools.product(range(rounds), MOST_PER_SECOND.items()):
        at = folder / f"{name}-{place}"
        with _settled_redis(at / "redis") as (url, _), stage.app(name, at, url) as (port, pid):
            pids = (pid, stage.redis_pid(url), os.getpid())
            _load(port, _closed(1_000, seconds=1))
            load = _closed(int(most * seconds), seconds=seconds, first=1_000)
            before = [stage.cpu_seconds(each) for each in pids]
            answers = _load(port, load)
            used = [stage.cpu_seconds(each) - earlier for each, earlier in zip(pids, before, strict=True)]
        costs[name].append([each / answers.ok * 1e6 for each in used])
        if answers.ok != sum(answers.statuses.values()):
            raise RuntimeError(f"{name} answered {dict(answers.statuses)}")
        measured[name].append(answers.per_second)
    for name, rates in measured.items():
        print(f"{name:<8} {statistics.median(rates):8.0f} accepted/s   of {[round(rate) for rate in rates]}")
        app, redis, load = (statistics.median(each) for each in zip(*costs[name], strict=True))
        print(f"         processor time: {app:.0f} µs each, Redis {redis:.0f} µs, the load {load:.0f} µs")
    return {name: statistics.median(rates) for name, rates in measured.items()}


def _open_loop(folder: Path, per_second: float) -> bool:
    count = int(per_second * OPEN_LOOP_SECONDS)
    with (
        _settled_redis(folder / "redis") as (url, redis),
        stage.app("ours", folder, url) as (port, _),
    ):
        _load(port, _closed(5_000, seconds=2))
        answers = _load(port, _open(1_000_000, count, per_second))
        redis.bgrewriteaof()
        rewriting = _load(port, _open(2_000_000, count, per_second))
    print(f"open loop at {per_second:.0f}/s: {_ranks(answers.ms)}   (p99 under 10, p99.9 under 30)")
    print(f"  sent late by {_ranks(answers.late_ms)}, which is in these times")
    print(f"  answers {dict(answers.statuses)}, slowest {max(answers.ms):.1f} ms")
    print(f"  while Redis begins to rewrite its append-only file: {_ranks(rewriting.ms)}")
    return answers.percentile(0.99) < OPEN_LOOP_P99_MS and answers.percentile(0.999) < OPEN_LOOP_P999_MS


@contextmanager
def _settled_redis(folder: Path) -> Iterator[tuple[str, Redis]]:
    """One that rewrites its file only when it is told to."""
    with stage.redis_server(folder) as url, Redis.from_url(url) as redis:
        redis.config_set("auto-aof-rewrite-percentage", 0)
        yield url, redis


def _ranks(values: list[float]) -> str:
    return "  ".join(f"p{share:.4g} {percentile(values, share / 100):.1f} ms" for share in (50, 99, 99.9))


def _million(folder: Path) -> bool:
    with stage.redis_server(folder / "redis") as url, stage.app("ours", folder, url) as (port, pid):
        after: dict[int, int] = {}
        rates: list[float] = []
        for first in range(0, MILLION, AT_ONE_GO):
            answers = _load(port, _open(first, AT_ONE_GO, MILLION_PER_SECOND))
            after[first + AT_ONE_GO] = stage.resident_kb(pid)
            rates.append(answers.per_second)
    grown = after[MILLION] / after[FIRST]
    print(
        f"memory {after[FIRST] // 1024} MB after 100,000, {after[MILLION] // 1024} MB after 1,000,000:"
        f" {grown:.2f} times   (at most 1.1)"
    )
    print(f"  at {min(rates):.0f} to {max(rates):.0f} a second; MB: {[kb // 1024 for kb in after.values()]}")
    return grown <= 1.1


def _closed(count: int, *, seconds: float, first: int = 0) -> Callable[[int], Awaitable[Answers]]:
    requests = signed(first, count, now=int(time.time()))
    return lambda port: closed_loop(port, requests, connections=CONNECTIONS, seconds=seconds)


def _open(first: int, count: int, per_second: float) -> Callable[[int], Awaitable[Answers]]:
    requests = signed(first, count, now=int(time.time()))
    return lambda port: open_loop(port, requests, per_second=per_second)


def _load(port: int, load: Callable[[int], Awaitable[Answers]]) -> Answers:
    async def run() -> Answers:
        return await load(port)

    return uvloop.run(run())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.intake")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--away", type=float, default=60, help="how many seconds Redis is away")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[[], "rates", "outage", "million"])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
