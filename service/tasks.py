"""Ending tasks that run for as long as their process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until they have ended. Once is not enough: Python 3.11's `asyncio.wait_for`, with
    which redis-py sends, loses a cancellation that comes as it succeeds.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
