"""Deliveries that left no record, found by what they were about. (Of the others their reopens tell.)

`about:{bucket}` are short lists of `hash entry`: the hash of a delivery's, an event's or a ticket's id, and
where in the stream of the latest deliveries its line is. The first digits choose the bucket, so that looking
costs the same whatever is stored, and what the stream has dropped falls out behind by itself. `refused` lists
the lines of the latest that were rejected.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from service.ledger.reads import Delivery, decoded, delivery_from
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from service.ledger.scripts import Scripts

P = "reopener:"
BUCKET_DIGITS = 3
IN_BUCKET = 50
"""4,096 buckets hold the 60,000 ids of 20,000 deliveries, 15 each; with this many in one, its oldest go."""
KEPT_REFUSED = 50
SCANNED = 20_000
STEP = 500
"""Entries looked at in one script: a few milliseconds of Redis' time."""


def index(pipe: Pipeline, delivery: Delivery, entry_id: str) -> None:
    """Have a delivery found by its ids; `entry_id` is its line in the stream."""
    for value in {delivery.id, delivery.event_id, delivery.ticket_id} - {None, ""}:
        key, hashed = _place(str(value))
        pipe.lpush(key, f"{hashed} {entry_id}")
        pipe.ltrim(key, 0, IN_BUCKET - 1)
    if delivery.verdict == "rejected":
        pipe.lpush(f"{P}refused", entry_id)
        pipe.ltrim(f"{P}refused", 0, KEPT_REFUSED - 1)


def unindex(pipe: Pipeline, delivery: Delivery, entry_id: str) -> None:
    """Have it found no more."""
    for value in {delivery.id, delivery.event_id, delivery.ticket_id} - {None, ""}:
        key, hashed = _place(str(value))
        pipe.lrem(key, 0, f"{hashed} {entry_id}")
    pipe.lrem(f"{P}refused", 0, entry_id)


class Heard:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, connection: Redis) -> None:
        self._scripts = scripts
        self._redis = connection

    async def about(self, value: str, *, count: int = 20) -> list[Delivery]:
        """Ignored and rejected deliveries whose own, event's or ticket's id this is, newest first."""
        key, hashed = _place(value)
        rows = [row.decode().split(" ") for row in await self._ask(self._redis.lrange(key, 0, -1))]
        found = await self._lines([entry_id for told, entry_id in rows if told == hashed][:count])
        return [each for each in found if value in {each.id, each.event_id, each.ticket_id}]

    async def refused(self) -> list[Delivery]:
        """The latest that were rejected, newest first."""
        rows = await self._ask(self._redis.lrange(f"{P}refused", 0, -1))
        return await self._lines([row.decode() for row in rows])

    async def of_delivery(self, delivery_id: str) -> list[Delivery]:
        """What became of one delivery; a batch has a line for each event, of which one is named. One that was
        accepted is looked for in all of the stream.
        """
        found = await self.about(delivery_id, count=1)
        cursor, looked_at = "", 0
        while not found and looked_at < SCANNED:
            cursor, *rows = await self._scripts.run("heard", delivery_id, cursor, STEP)
            found += [delivery_from(dict(zip(row[::2], row[1::2], strict=True))) for row in rows]
            looked_at += STEP
            if not cursor:
                break
        return found

    async def _lines(self, entry_ids: list[str]) -> list[Delivery]:
        """The lines of the stream; without those that it has dropped."""
        pipe = self._redis.pipeline(transaction=False)
        for entry_id in entry_ids:
            pipe.xrange(f"{P}deliveries", entry_id, entry_id)
        rows = await self._ask(pipe.execute()) if entry_ids else []
        lines = [row[0] for row in rows if row]
        return [delivery_from(decoded(fields) | {"entry": entry.decode()}) for entry, fields in lines]

    _ask = staticmethod(ask)


def _place(value: str) -> tuple[str, str]:
    """The key of its bucket, and the hash that stands for it there."""
    hashed = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{P}about:{hashed[:BUCKET_DIGITS]}", hashed
