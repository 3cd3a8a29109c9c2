"""Tasks are ended for good."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from service.tasks import cancelled


async def test_a_task_that_loses_a_cancellation_is_cancelled_again():
    """Whatever a library does with a cancellation, the task ends, and who ends it does not wait for ever."""

    async def loses_one() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(loses_one()) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancelled(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_of_nothing_nothing_is_waited_for():
    """Where nothing runs, nothing is to be ended."""
    await cancelled([])
