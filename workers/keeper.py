"""The keeper: removes what ended longer ago than `[retention]` keeps it. One of the workers is elected to it.

In small steps with rests between, so that Redis serves others meanwhile: it works a fifth of the time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.ledger.retention import ENDED
from service.logs import get_logger

if TYPE_CHECKING:
    from service.clock import Clock
    from service.domain.reopens import Status
    from service.ledger import Ledger
    from service.ledger.retention import Terms

TICK_SECONDS = 10.0
"""Well under the term of the elected, which is thereby renewed."""
TICKS_BETWEEN_ROUNDS = 6
RESTS = 4
"""How long it rests after a step, in the time that the step took."""
SHORTEST_REST_SECONDS = 0.01

log = get_logger(__name__)


class Keeper:
    """Keeps house until it is cancelled. Redis may be away meanwhile."""

    def __init__(self, ledger: Ledger, clock: Clock, *, name: str, terms: Terms) -> None:
        self._ledger = ledger
        self._clock = clock
        self._name = name
        self._terms = terms

    async def run(self) -> None:
        tick = 0
        while True:
            try:
                if await self._ledger.retention.elect(self._name) and tick % TICKS_BETWEEN_ROUNDS == 0:
                    await self.keep()
            except LedgerUnavailable as away:
                log.warning("keeper.redis_away", error=str(away))
            except Exception:
                log.exception("keeper.fault")
            tick += 1
            await asyncio.sleep(TICK_SECONDS)

    async def keep(self) -> int:
        """One round over all that ended; returns how many records were removed."""
        await self._ledger.retention.make_salt()
        removed = 0
        for source in await self._ledger.reads.sources():
            for status in ENDED:
                removed += await self._retire(source, status)
        await self._ledger.retention.trim_deliveries(self._clock.now_ms() - self._terms.done_ms)
        if removed:
            log.info("keeper.removed", count=removed)
        return removed

    async def _retire(self, source: str, status: Status) -> int:
        removed, after, elected_at = 0, None, self._clock.monotonic()
        while True:
            began = self._clock.monotonic()
            step = await self._ledger.retention.retire(source, status, after, self._terms)
            removed += step.removed
            after = step.following
            if after is None:
                return removed
            ended = self._clock.monotonic()
            if ended - elected_at >= TICK_SECONDS:
                elected_at = ended
                await self._ledger.retention.elect(self._name)
            await asyncio.sleep(max(SHORTEST_REST_SECONDS, RESTS * (ended - began)))
