"""Asks every second whether Redis is still the one that confirmed what was acknowledged (rule 13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger
from service.tasks import cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WATCH_SECONDS = 1.0

log = get_logger(__name__)


class Watch:
    """For one event loop: `looks` are made every second. While Redis is away, what may have to be written
    once more is kept.
    """

    def __init__(self, *looks: Callable[[], Awaitable[None]]) -> None:
        self._looks = looks
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            await cancelled([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                for look in self._looks:
                    await look()
            except LedgerUnavailable:
                continue
            except Exception:
                log.exception("watch.fault")
