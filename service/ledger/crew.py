"""Who works: the worker processes that RQ knows of, and how much they may have in hand together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask
from service.queue import CONCURRENCY_FIELD

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.queue import Bells


@dataclass(frozen=True, slots=True)
class Crew:
    """`concurrency` is how many threads all workers together may hold at a time: `Stats.in_flight` of them
    are held.
    """

    workers: int
    concurrency: int


class Crews:
    """Raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, bells: Bells) -> None:
        self._redis = connection
        self._workers_key = bells.workers_key

    async def crew(self) -> Crew:
        """Those whose registration has not expired."""
        names = await ask(self._redis.smembers(self._workers_key))
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hmget(name, ["birth", CONCURRENCY_FIELD])
        rows = await ask(pipe.execute()) if names else []
        alive = [slots for birth, slots in rows if birth]
        return Crew(len(alive), sum(int(slots or 0) for slots in alive))
