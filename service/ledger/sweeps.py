"""What nobody woke, and who holds what: the sweeper's side of the ledger (rules 2, 12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.scripts import Scripts

SWEEPERS_KEY = "reopener:sweepers"
"""Hash: worker name -> unix ms of its sweeper's latest beat."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Overdue:
    """Boxes that are due and not held, and every lease as it stands: box -> `token:renewals`."""

    boxes: tuple[str, ...]
    leases: Mapping[str, str]


class Sweeps:
    """Each is one call to Redis; all raise `LedgerUnavailable` where it is away."""

    def __init__(self, scripts: Scripts, connection: Redis) -> None:
        self._scripts = scripts
        self._connection = connection

    async def overdue(self) -> Overdue:
        _, boxes, leases = await self._scripts.run("overdue", AT_ONCE)
        return Overdue(tuple(boxes), dict(zip(leases[::2], leases[1::2], strict=True)))

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
