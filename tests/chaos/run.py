"""One chaos run from beginning to end, bounded in count and time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.chaos.helpdesk import Helpdesk
from tests.chaos.stack import Stack
from tests.chaos.trouble import Trouble
from tests.chaos.verdict import Verdict, judge, waiting


@dataclass(frozen=True, slots=True)
class Result:
    verdict: Verdict
    made: dict[str, int]
    deliveries: int
    refused: int
    send_seconds: float
    drain_seconds: float


async def run(
    folder: Path,
    *,
    events: int,
    threads: int,
    seed: int,
    spread_seconds: float,
    limit_seconds: float,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Send the events while everything is killed in turn, wait until nothing waits any more, and judge."""
    stack = await asyncio.to_thread(Stack, folder, seed=seed)
    try:
        helpdesk = Helpdesk(stack.url, events, threads, seed, spread_seconds)
        trouble = Trouble(stack, random.Random(seed))
        stopped = asyncio.Event()
        making = asyncio.create_task(trouble.run(stopped))
        started = time.monotonic()
        async with asyncio.timeout(limit_seconds):
            await helpdesk.run()
        sent = time.monotonic()
        tell(f"all accepted after {sent - started:.0f} s, {helpdesk.refused} deliveries sent again")
        stopped.set()
        await making
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, limit_seconds - (sent - started))):
                await _drained(stack, tell)
        verdict = await judge(stack, helpdesk)
        return Result(
            verdict=verdict,
            made=dict(trouble.made),
            deliveries=helpdesk.deliveries,
            refused=helpdesk.refused,
            send_seconds=sent - started,
            drain_seconds=time.monotonic() - sent,
        )
    finally:
        await asyncio.to_thread(stack.close)


async def _drained(stack: Stack, tell: Callable[[str], None]) -> None:
    told_at = time.monotonic()
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        while (left := await waiting(http, stack)) != 0:
            if time.monotonic() > told_at + 10:
                told_at = time.monotonic()
                tell(f"{left} still waiting")
            await asyncio.sleep(0.25)
