"""What is written behind the answers: notes of deliveries that left no record, and requests that are kept.

Both are for people's eyes only, so they may be lost: whoever floods the receiver with forged requests must
not reach Redis with each of them, and an ignored event is answered also while Redis is away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger
from service.tasks import cancelled

Item = TypeVar("Item")

FLUSH_SECONDS = 0.1
KEPT_NOTES = 1_000

log = get_logger(__name__)


class Notes(Generic[Item]):
    """Collects notes and writes them every `FLUSH_SECONDS`; beyond `most` the oldest are dropped."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]], *, most: int = KEPT_NOTES) -> None:
        self._write = write
        self._waiting: deque[Item] = deque(maxlen=most)
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def add(self, item: Item) -> None:
        self._waiting.append(item)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        if self._task is not None:
            await cancelled([self._task])
        await self.written()

    async def written(self) -> None:
        """All that was added before is written, or lost."""
        async with self._writing:
            batch = list(self._waiting)
            self._waiting.clear()
            if not batch:
                return
            try:
                await self._write(batch)
            except LedgerUnavailable as away:
                log.warning("notes.lost", count=len(batch), error=str(away))
            except Exception:
                log.exception("notes.fault")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.written()
