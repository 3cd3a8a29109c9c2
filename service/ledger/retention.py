"""Retention: what ended long ago goes, a few records at a time, with everything that leads to it (rule 15).

What remains of a record is a tombstone, a keyed hash of its id, for as long as its helpdesk may repeat the
event: a repeat is a duplicate then, and never a second case. Held and waiting reopens never go by themselves.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.domain.reopens import DONE, Status
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.scripts import Scripts

P = "reopener:"
KEEPER_KEY = f"{P}keeper"
TERM_MS = 30_000
ENDED = (*DONE, Status.DEAD, Status.CANCELLED)
LOOKED_AT = 20
"""Records in one script: two to three milliseconds of Redis' time."""
LONGEST_REPEATS_MS = 4 * 86_400_000
"""How long an event may be repeated where its source is configured no more: the longest of all kinds."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long what is kept after its end, and how long each source may repeat an event; in milliseconds.

    `looked_up` are the sources whose tickets are looked up in Acquire: their links go with their reopens.
    """

    done_ms: int
    dead_ms: int
    repeats_ms: Mapping[str, int] = field(default_factory=dict)
    looked_up: frozenset[str] = frozenset()

    def kept_ms(self, status: Status) -> int:
        return self.done_ms if status in DONE else self.dead_ms

    def tombstone_ms(self, source: str) -> int:
        return self.repeats_ms.get(source, LONGEST_REPEATS_MS)


@dataclass(frozen=True, slots=True)
class Retired:
    """What one step removed; `following` is where the next goes on, None where nothing is left to look at."""

    removed: int
    following: str | None


class Retention:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, connection: Redis) -> None:
        self._scripts = scripts
        self._redis = connection

    async def elect(self, name: str) -> bool:
        """Whether this worker keeps house for the next `TERM_MS`. Two at once would do no harm."""
        if await ask(self._redis.set(KEEPER_KEY, name, nx=True, px=TERM_MS)):
            return True
        if await ask(self._redis.get(KEEPER_KEY)) != name.encode():
            return False
        return bool(await ask(self._redis.pexpire(KEEPER_KEY, TERM_MS)))

    async def make_salt(self) -> None:
        """The key of the hashes that tombstones are; once for ever."""
        await ask(self._redis.set(f"{P}salt", secrets.token_hex(16), nx=True))

    async def retire(self, source: str, status: Status, after: str | None, terms: Terms) -> Retired:
        """Look at some more reopens of a source and status, oldest first, and remove those that are due."""
        removed, following = await self._scripts.run(
            "retire",
            source,
            status.value,
            after or "",
            LOOKED_AT,
            terms.kept_ms(status),
            terms.tombstone_ms(source),
            "1" if source in terms.looked_up else "0",
        )
        return Retired(int(removed), following or None)

    async def trim_deliveries(self, before_ms: int) -> None:
        """Drop the notes of deliveries that came before this time."""
        await ask(self._redis.xtrim(f"{P}deliveries", minid=f"{before_ms}-0", approximate=True))
