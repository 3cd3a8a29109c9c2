"""What RQ calls. The dotted path `workers.jobs.ring` is wire format: tests pin it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from service.clock import SystemClock
from service.queue import JOB_VERSION
from service.settings import load
from workers.ringing import Ringing
from workers.runtime import Runtime


def ring(name: str, bell: str, version: int = 1) -> None:
    """Work the thread that `name` (a reopen's id or a box) belongs to until nothing of it is due.

    `version` is the least version of this software that may answer; a newer one is left to newer workers,
    since the sweeper rings again.

    Our own pool (workers/pool.py) never calls this: it answers bells in its own event loop. A stock
    `rq worker` does, one at a time.
    """
    if version <= JOB_VERSION:
        asyncio.run(_ring(name, bell))


async def _ring(name: str, bell: str) -> None:
    settings = load(os.environ, role="work", cwd=Path.cwd())
    runtime = Runtime.open(settings, SystemClock(), concurrency=1)
    ringing = Ringing(runtime)
    renewing = asyncio.create_task(ringing.keep_leases())
    try:
        await ringing.answer(name, bell)
    finally:
        renewing.cancel()
        await runtime.aclose()
