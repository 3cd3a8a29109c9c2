"""The feeder: begins what waits in the lanes of bulk retries (service/ledger/bulks.py), a few at a time.

One in every worker process. Nobody elects it, and it does no harm twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger

if TYPE_CHECKING:
    from service.ledger import Ledger

TICK_SECONDS = 0.5
BUSY_TICK_SECONDS = 0.05

log = get_logger(__name__)


class Feeder:
    """Feeds until it is cancelled. Redis may be away meanwhile: the sweeper says so."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def run(self) -> None:
        while True:
            lanes = 0
            try:
                lanes = await self.feed()
            except LedgerUnavailable:
                lanes = 0
            except Exception:
                log.exception("feeder.fault")
            await asyncio.sleep(BUSY_TICK_SECONDS if lanes else TICK_SECONDS)

    async def feed(self) -> int:
        """Begin what there is room for, and ring for it; returns how many bulks still have some that wait."""
        lanes, boxes = await self._ledger.bulks.feed()
        for box in boxes:
            await self._ledger.verbs.ring(box, "backlog")
        return lanes
