"""What goes wrong in a chaos run, one thing after another, chosen by the seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import redis

from tests.chaos.stack import LEASE_SECONDS, Stack

FAULTS = [
    {"kind": "status", "rate": 0.05, "status": 500},
    {"kind": "status", "rate": 0.03, "status": 503},
    {"kind": "status", "rate": 0.002, "status": 429, "retry_after": 1},
    {"kind": "drop_before", "rate": 0.06},
    {"kind": "drop_after", "rate": 0.07},
    {"kind": "drop_after", "on": "read", "rate": 0.07},
    {"kind": "delay", "rate": 0.04, "seconds": 3},
    {"kind": "garbage", "rate": 0.06},
]
"""Together on 30 % of all calls to Acquire, all kinds of the contract."""
AWAY = [{"kind": "drop_before", "rate": 1.0}]
AWAY_SECONDS = 3.0
PAUSE_SECONDS = (1.5, 4.0)


@dataclass(slots=True)
class Trouble:
    """Makes trouble until it is told to stop; `made` counts what it did."""

    stack: Stack
    rng: random.Random
    made: Counter[str] = field(default_factory=Counter)

    async def run(self, stopped: asyncio.Event) -> None:
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.kill_worker,
            self.kill_receiver,
            self.kill_redis,
            self.freeze_worker,
            self.kill_all_workers,
            self.lose_bells,
            self.acquire_away,
            self.close_cases,
        ]
        await self.set_faults(FAULTS)
        turn: list[Callable[[], Awaitable[None]]] = []
        while not stopped.is_set():
            if not turn:
                turn = self.rng.sample(kinds, len(kinds))
            await turn.pop()()
            try:
                await asyncio.wait_for(stopped.wait(), self.rng.uniform(*PAUSE_SECONDS))
            except TimeoutError:
                continue

    async def kill_worker(self) -> None:
        self.made["kill -9 of a worker"] += 1
        worker = self.rng.choice(self.stack.workers)
        await asyncio.to_thread(worker.kill)
        worker.start()

    async def kill_all_workers(self) -> None:
        self.made["kill -9 of all workers"] += 1
        for worker in self.stack.workers:
            await asyncio.to_thread(worker.kill)
        for worker in self.stack.workers:
            worker.start()

    async def kill_receiver(self) -> None:
        self.made["kill -9 of the receiver"] += 1
        await asyncio.to_thread(self.stack.receiver.kill)
        self.stack.receiver.start()
        await asyncio.to_thread(self.stack.wait_for_receiver)

    async def kill_redis(self) -> None:
        self.made["kill -9 of Redis"] += 1
        await asyncio.to_thread(self.stack.kill_redis)
        await asyncio.sleep(self.rng.uniform(0.0, 1.5))
        await asyncio.to_thread(self.stack.start_redis)
        await asyncio.to_thread(self.stack.wait_for_receiver)

    async def freeze_worker(self) -> None:
        """For longer than a lease: it wakes up as somebody who lost it."""
        self.made["worker stopped for longer than a lease"] += 1
        worker = self.rng.choice(self.stack.workers)
        worker.freeze()
        await asyncio.sleep(LEASE_SECONDS + 1.5)
        worker.thaw()

    async def lose_bells(self) -> None:
        """All of RQ's keys go: queue, jobs, registries, workers."""
        self.made["RQ's queue flushed"] += 1

        def flush() -> None:
            with redis.Redis.from_url(self.stack.redis_url) as client:
                keys = list(client.scan_iter("rq:*", count=1000))
                if keys:
                    client.delete(*keys)

        await asyncio.to_thread(flush)

    async def acquire_away(self) -> None:
        self.made["Acquire away for seconds"] += 1
        if self.rng.random() < 0.5:
            self.stack.sandbox.freeze()
            await asyncio.sleep(AWAY_SECONDS)
            self.stack.sandbox.thaw()
        else:
            await self.set_faults(AWAY)
            await asyncio.sleep(AWAY_SECONDS)
            await self.set_faults(FAULTS)

    async def close_cases(self) -> None:
        """Agents close cases: the next reply opens another one."""
        self.made["cases closed by agents"] += 1
        async with httpx.AsyncClient(base_url=self.stack.acquire_url, timeout=30, trust_env=False) as http:
            shown = (await http.get("/_sandbox/cases")).json()["cases"]
            still_open = [case["id"] for case in shown if case["status"] != "closed"]
            for case_id in self.rng.sample(still_open, min(20, len(still_open))):
                await http.post(f"/_sandbox/cases/{case_id}/close")

    async def set_faults(self, faults: list[dict[str, object]]) -> None:
        async with httpx.AsyncClient(base_url=self.stack.acquire_url, timeout=30, trust_env=False) as http:
            (await http.post("/_sandbox/faults", json=faults)).raise_for_status()
