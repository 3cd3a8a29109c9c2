"""The sweeper: what is overdue is rung again, and leases that stand still are taken over (rules 2, 12).

One in every worker process. Nobody elects it, and it does no harm twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger

if TYPE_CHECKING:
    from service.clock import Clock
    from service.ledger import Ledger

TICK_SECONDS = 0.5
BACKLOG_TICK_SECONDS = 0.05
"""While more waits than RQ's queue of the backlog has room for: it is filled up as it is emptied."""
BEAT_SECONDS = 5.0
DURABILITY_SECONDS = 60.0
LONG_GONE_MS = 86_400_000

log = get_logger(__name__)


class StandingStill:
    """Which leases have not moved for their whole length, on this process' own monotonic clock."""

    def __init__(self, length_seconds: float) -> None:
        self._length_seconds = length_seconds
        self._seen: dict[str, tuple[str, float]] = {}

    def look(self, leases: Mapping[str, str], now: float) -> list[tuple[str, str]]:
        """The leases (box, value) that may be taken over, given all leases as they stand now."""
        self._seen = {
            box: self._seen[box] if self._seen.get(box, ("", 0.0))[0] == value else (value, now)
            for box, value in leases.items()
        }
        return [
            (box, value) for box, (value, since) in self._seen.items() if now - since >= self._length_seconds
        ]


class Sweeper:
    """Sweeps twice a second until it is cancelled. Redis may be away meanwhile."""

    def __init__(self, ledger: Ledger, clock: Clock, *, name: str, lease_ms: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._name = name
        self._still = StandingStill(lease_ms / 1000)
        self._beat_at = self._durability_at = float("-inf")

    async def run(self) -> None:
        away = False
        while True:
            rung = 0
            try:
                rung = await self.sweep()
                away = False
            except LedgerUnavailable as error:
                if not away:
                    log.warning("sweeper.redis_away", error=str(error))
                away = True
            except Exception:
                log.exception("sweeper.fault")
            await asyncio.sleep(BACKLOG_TICK_SECONDS if rung else TICK_SECONDS)

    async def sweep(self) -> int:
        """One sweep: take what stands still, ring what is overdue, and show that we live. Returns how many
        bells of the backlog were rung.
        """
        now, asked_at = self._clock.monotonic(), self._clock.boottime()
        overdue = await self._ledger.sweeps.overdue()
        await self._ledger.leases.rewrites.catch_up(overdue.epoch, asked_at)
        for box, lease in self._still.look(overdue.leases, now):
            if await self._ledger.sweeps.evict(box, lease):
                log.warning("lease.taken_over", box=box)
                await self._ledger.verbs.ring(box)
        for box in overdue.handed_back:
            await self._ledger.verbs.ring(box)
        rung = 0
        for box in overdue.boxes:
            rung += await self._ledger.verbs.ring(box, "backlog")
        if now - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            await self._ledger.sweeps.beat(self._name, self._clock.now_ms())
        if now - self._durability_at >= DURABILITY_SECONDS:
            self._durability_at = now
            await self._ledger.account.note_durability()
            await self._ledger.sweeps.forget_beats_before(self._clock.now_ms() - LONG_GONE_MS)
        return rung
