"""Reopens that need a person, grouped by what went wrong.

`failures` is a sorted set of groups by size, `failure:{group}` the reopens of one by position. The scripts
keep both (`join_failures` in failures.lua): a group is a status, a reason, and the words of the refusal with
numbers, ids and quotes evened out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.domain.reopens import Reopen
    from service.ledger.reads import Reads

P = "reopener:"


@dataclass(frozen=True, slots=True)
class Group:
    """What went wrong the same way so often; `latest` and `first` are two of them."""

    id: str
    size: int
    first: Reopen
    latest: Reopen


class Failures:
    def __init__(self, connection: Redis, reads: Reads) -> None:
        self._redis = connection
        self._reads = reads

    async def largest(self, limit: int = 12) -> list[Group]:
        """The largest groups, with their first and latest reopen."""
        rows = await self._ask(self._redis.zrange(f"{P}failures", 0, limit - 1, desc=True, withscores=True))
        pipe = self._redis.pipeline(transaction=False)
        for group, _ in rows:
            pipe.zrange(f"{P}failure:{group.decode()}", 0, 0)
            pipe.zrange(f"{P}failure:{group.decode()}", -1, -1)
        ends = await self._ask(pipe.execute()) if rows else []
        ids = [row[0].decode() if row else "" for row in ends]
        records = await self._reads.reopens(ids)
        groups = []
        for place, (group, size) in enumerate(rows):
            first, latest = records[2 * place : 2 * place + 2]
            if first and latest:
                groups.append(Group(group.decode(), int(size), first, latest))
        return groups

    _ask = staticmethod(ask)
