"""What nobody woke, and who holds what: the sweeper's side of the ledger (rules 2, 12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.scripts import Scripts
    from service.queue import Bells

SWEEPERS_KEY = "reopener:sweepers"
"""Hash: worker name -> unix ms of its sweeper's latest beat."""
BACKLOG_BELLS = 128
"""So many bells of the backlog wait in RQ's queue at most; the others wait in the order of being due."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Boxes that are due and not held, of them those that a worker handed back apart; and every lease as it
    stands: box -> `token:step:renewals`. `epoch` is the run of Redis that says so.
    """

    boxes: tuple[str, ...]
    handed_back: tuple[str, ...]
    leases: Mapping[str, str]
    epoch: str


class Sweeps:
    """Each is one call to Redis; all raise `LedgerUnavailable` where it is away."""

    def __init__(self, scripts: Scripts, connection: Redis, bells: Bells, *, quarantine_ms: int) -> None:
        self._scripts = scripts
        self._connection = connection
        self._backlog_key = bells.queue_key("backlog")
        self._quarantine_ms = quarantine_ms

    async def overdue(self) -> Overdue:
        row = await self._scripts.run("overdue", BACKLOG_BELLS, self._backlog_key, self._quarantine_ms)
        _, boxes, handed_back, leases, epoch = row
        held = dict(zip(leases[::2], leases[1::2], strict=True))
        return Overdue(tuple(boxes), tuple(handed_back), held, epoch)

    async def evict(self, box: str, lease: str) -> bool:
        """Take the lease from a holder that let it stand still; False where it moved meanwhile."""
        return bool(await self._scripts.run("evict", box, lease))

    async def beat(self, name: str, now_ms: int) -> None:
        """Show that the sweeper of this worker lives."""
        await self._ask(self._connection.hset(SWEEPERS_KEY, name, str(now_ms)))

    async def leave(self, name: str) -> None:
        await self._ask(self._connection.hdel(SWEEPERS_KEY, name))

    async def forget_beats_before(self, ms: int) -> None:
        """Drop the beats of sweepers that are long gone."""
        beats: dict[bytes, bytes] = await self._ask(self._connection.hgetall(SWEEPERS_KEY))
        gone = [name for name, beat in beats.items() if int(beat) < ms]
        if gone:
            await self._ask(self._connection.hdel(SWEEPERS_KEY, *gone))

    _ask = staticmethod(ask)
