"""Notes of deliveries that left no record (ignored and rejected ones), written behind the answers.

A note is for people's eyes only, so it may be lost: whoever floods the receiver with forged requests must
not reach Redis with each of them, and an ignored event is answered also while Redis is away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger

if TYPE_CHECKING:
    from service.ledger.account import Account
    from service.ledger.reads import Delivery

FLUSH_SECONDS = 0.1
KEPT_NOTES = 1_000

log = get_logger(__name__)


class Notes:
    """Collects notes and writes them every `FLUSH_SECONDS`; beyond `KEPT_NOTES` the oldest are dropped."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._waiting: deque[Delivery] = deque(maxlen=KEPT_NOTES)
        self._task: asyncio.Task[None] | None = None

    def add(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what waits, then end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        batch = list(self._waiting)
        self._waiting.clear()
        if not batch:
            return
        try:
            await self._account.note(batch)
        except LedgerUnavailable as away:
            log.warning("notes.lost", count=len(batch), error=str(away))
