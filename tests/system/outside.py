"""`python -m tests.system.outside ACQUIRE RECEIVER...`: a helpdesk on a machine of its own.

It sends, waits until nothing waits any more, and prints a line of JSON: did the invariants hold, and how
long did the slowest refusal take.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass

import httpx

from tests.chaos.helpdesk import Helpdesk
from tests.chaos.verdict import judge, waiting

EVENTS, THREADS, SPREAD_SECONDS = 250, 50, 12.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a run is to be judged."""

    url: str
    acquire_url: str


async def main(acquire: str, receiver: str, *others: str) -> None:
    helpdesk = Helpdesk(receiver, EVENTS, THREADS, seed=1, spread_seconds=SPREAD_SECONDS, others=others)
    await helpdesk.run()
    at = Addresses(receiver, acquire)
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        while await waiting(http, at) != 0:  # noqa: ASYNC110 - another process works on it
            await asyncio.sleep(0.1)
    verdict = await judge(at, helpdesk)
    slowest_seconds = helpdesk.slowest_refusal_seconds
    told = {"held": verdict.held, "verdict": repr(verdict), "refused": helpdesk.refused}
    sys.stdout.write(json.dumps({**told, "slowest_refusal_seconds": slowest_seconds}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
