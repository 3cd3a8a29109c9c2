"""Requests that are kept for explaining them later: in number, size and time bounded, and never needed.

raw:{delivery}   string  one request, gone after the time it was kept for
raws:{source}    zset    the deliveries of a source that may still be there, by unix ms
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

P = "reopener:"
KEPT_PER_SOURCE = 1_000


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A delivery's request, packed by whoever keeps it."""

    delivery_id: str
    source: str
    received_ms: int
    content: bytes


class Requests:
    """Each method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    async def keep(self, batch: Sequence[KeptRequest], *, ttl_ms: int) -> None:
        """Keep these for a time; of each source the newest `KEPT_PER_SOURCE` stay."""
        sources = sorted({each.source for each in batch})
        pipe = self._redis.pipeline(transaction=False)
        for each in batch:
            fields = f"{each.source}\0{each.received_ms}\0".encode()
            pipe.set(f"{P}raw:{each.delivery_id}", fields + each.content, px=ttl_ms)
            pipe.zadd(f"{P}raws:{each.source}", {each.delivery_id: each.received_ms})
        for source in sources:
            pipe.pexpire(f"{P}raws:{source}", ttl_ms)
            pipe.zrange(f"{P}raws:{source}", 0, -KEPT_PER_SOURCE - 1)
        done = await ask(pipe.execute())
        surplus = done[-2 * len(sources) + 1 :: 2]
        if any(surplus):
            await self._drop({source: ids for source, ids in zip(sources, surplus, strict=True) if ids})

    async def one(self, delivery_id: str) -> KeptRequest | None:
        value = await ask(self._redis.get(f"{P}raw:{delivery_id}"))
        return _kept(delivery_id, value) if value else None

    async def newest(self, source: str, limit: int) -> list[KeptRequest]:
        """Those of a source that are still there, newest first."""
        ids = await ask(self._redis.zrevrange(f"{P}raws:{source}", 0, limit - 1))
        values = await ask(self._redis.mget([f"{P}raw:{each.decode()}" for each in ids])) if ids else []
        return [_kept(each.decode(), value) for each, value in zip(ids, values, strict=True) if value]

    async def forget(self, sources: Sequence[str], concerns: Callable[[bytes], bool]) -> int:
        """Drop every request whose content concerns somebody who is to be forgotten; how many there were."""
        count = 0
        for source in sources:
            kept = await self.newest(source, KEPT_PER_SOURCE)
            ids = [each.delivery_id.encode() for each in kept if concerns(each.content)]
            if ids:
                await self._drop({source: ids})
                count += len(ids)
        return count

    async def _drop(self, ids_by_source: dict[str, list[bytes]]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for source, ids in ids_by_source.items():
            pipe.unlink(*(f"{P}raw:{each.decode()}" for each in ids))
            pipe.zrem(f"{P}raws:{source}", *ids)
        await ask(pipe.execute())


def _kept(delivery_id: str, value: bytes) -> KeptRequest:
    source, received_ms, content = value.split(b"\0", 2)
    return KeptRequest(delivery_id, source.decode(), int(received_ms), content)
