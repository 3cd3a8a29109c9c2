"""What a worker works with, put together from the settings: the composition root of the workers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis import Redis as SyncRedis

from service.connections import async_client
from service.ledger import Ledger, open_ledger
from service.policy import policy, wait
from service.queue import Bells
from workers.acquire import AcquireClient
from workers.head import Tools
from workers.tally import Tally
from workers.throttle import Care, Careful

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.clock import Clock
    from service.queue import Lane
    from service.settings import Settings


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

    @classmethod
    def open(cls, settings: Settings, clock: Clock, *, concurrency: int) -> Runtime:
        """Nothing is connected yet. Raises ValueError where REDIS_URL or the Acquire account is missing."""
        if settings.redis_url is None:
            raise ValueError("workers need a REDIS_URL")
        connection = async_client(settings.redis_url.reveal())
        ledger = open_ledger(
            connection, Bells(SyncRedis()), clock, policy=policy(settings), wait=wait(settings)
        )
        tally = Tally()
        return cls(
            settings=settings,
            clock=clock,
            connection=connection,
            ledger=ledger,
            acquire=AcquireClient(settings.acquire, clock=clock, concurrency=concurrency, on_call=tally.call),
            care=Care(ledger.care, clock),
            tally=tally,
        )

    def tools(self, lane: Lane = "live") -> Tools:
        """The tools of one claim."""
        acquire = Careful(self.acquire.session(), self.care, lane)
        return Tools(
            ledger=self.ledger.leases,
            acquire=acquire,
            gate=acquire,
            ticker=self.clock,
            rng=random.Random(),
            policy=policy(self.settings),
            on_attempt=self.tally.attempt,
        )

    async def aclose(self) -> None:
        await self.care.aclose()
        await self.acquire.aclose()
        await self.connection.aclose()
