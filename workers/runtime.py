"""What a worker works with, put together from the settings: the composition root of the workers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from redis import Redis as SyncRedis

from service.connections import async_client
from service.domain.errors import LedgerUnavailable
from service.ledger import Ledger, open_ledger
from service.logs import get_logger
from service.policy import policy, wait
from service.queue import Bells
from workers import lines
from workers.acquire import AcquireClient
from workers.careful import Careful
from workers.exchanges import Exchanges, Kept
from workers.head import Tools
from workers.tally import Tally
from workers.throttle import Care

if TYPE_CHECKING:
    from collections.abc import Collection

    from redis.asyncio import Redis

    from service.clock import Clock
    from service.domain.reopens import Attempt, Policy, Reopen
    from service.queue import Lane
    from service.settings import Settings

TELL_SECONDS = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """One per process and event loop: connections are kept and used again."""

    settings: Settings
    clock: Clock
    connection: Redis
    ledger: Ledger
    acquire: AcquireClient
    care: Care
    tally: Tally
    kept: Kept
    policy: Policy
    rng: random.Random

    @classmethod
    def open(cls, settings: Settings, clock: Clock, *, concurrency: int) -> Runtime:
        """Nothing is connected yet. Raises ValueError where REDIS_URL or the Acquire account is missing."""
        if settings.redis_url is None:
            raise ValueError("workers need a REDIS_URL")
        connection = async_client(settings.redis_url.reveal())
        rules = policy(settings)
        ledger = open_ledger(connection, Bells(SyncRedis()), clock, policy=rules, wait=wait(settings))
        tally = Tally()
        return cls(
            settings=settings,
            clock=clock,
            connection=connection,
            ledger=ledger,
            acquire=AcquireClient(settings.acquire, clock=clock, concurrency=concurrency, on_call=tally.call),
            care=Care(ledger.care, clock),
            tally=tally,
            kept=Kept(),
            policy=rules,
            rng=random.Random(),
        )

    def tools(self, lane: Lane = "live") -> Tools:
        """The tools of one claim."""
        exchanges = Exchanges(self.kept)
        acquire = Careful(self.acquire.session(exchanges.note), self.care, lane)
        return Tools(
            ledger=self.ledger.leases,
            acquire=acquire,
            gate=acquire,
            ticker=self.clock,
            rng=self.rng,
            policy=self.policy,
            on_attempt=self.tally.attempt,
            on_ended=partial(_ended, exchanges),
        )

    async def keep_telling(self) -> None:
        """Tell the ledger every few seconds what people may want to know, until cancelled."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            try:
                await self.tell()
            except LedgerUnavailable:
                continue
            except Exception:
                log.exception("telling.fault")

    async def tell(self) -> None:
        await self.tally.tell(self.ledger.tallies)
        await self.kept.tell(self.ledger.bodies)

    async def aclose(self) -> None:
        await self.care.aclose()
        await self.acquire.aclose()
        await self.connection.aclose()


def _ended(exchanges: Exchanges, reopen: Reopen, attempts: Collection[Attempt]) -> None:
    exchanges.ended(reopen)
    lines.tell(reopen, attempts)
