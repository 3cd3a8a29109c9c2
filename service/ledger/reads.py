"""What people and programs see of the ledger. Reads only; bounded in cost, whatever is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger import codec, thread_codec
from service.ledger.links import Link, link_of
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from service.domain.reopens import Reopen
    from service.domain.threads import Thread
    from service.ledger.scripts import Scripts

P = "reopener:"
VERDICTS = ("accepted", "duplicate", "ignored", "held", "rejected")
MOST_MATCHES = 1_000
"""A thread is shown with so many of its reopens."""
SCANNED_DELIVERIES = 20_000
SCAN_STEP = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery and its verdict, one of `VERDICTS`.

    `reason` is a slug; `detail` says to a person what was found, the likely mistake for one: never customer
    text, never a secret.
    """

    id: str
    source: str
    event_id: str | None
    received_ms: int
    verdict: str
    reason: str | None
    reopen_id: str | None
    detail: str | None = None
    ticket_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    deliveries: tuple[Delivery, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The latest delivery of an event (the beginning of its id, where the reopen is done), and its repeats:
    when each came (unix ms), and whether with another body. Of very many repeats the first ones.
    """

    latest_delivery: str | None
    repeats: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread with all its reopens, oldest first."""

    thread: Thread
    reopens: tuple[Reopen, ...]


class Reads:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, scripts: Scripts) -> None:
        self._redis = connection
        self._scripts = scripts

    async def reopen(self, reopen_id: str) -> Reopen | None:
        return (await self._records([reopen_id]))[0]

    async def arrivals(self, reopen_id: str) -> Arrivals:
        """When and how the event of a reopen came."""
        (record,) = await self.fields([reopen_id])
        latest, repeats = record.get("last_delivery", ""), record.get("repeats", "")
        told = [(int(each.rstrip("!")), each.endswith("!")) for each in repeats.split()]
        return Arrivals(latest or None, tuple(told))

    async def reopens(self, ids: list[str]) -> list[Reopen | None]:
        """The records of these ids, in order; None where there is none."""
        return await self._records(ids)

    async def cardinality(self, keys: list[str], trees: list[str]) -> int:
        """How many members these sorted sets and trees of the archive have together."""
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.zcard(key)
        for name in trees:
            pipe.hget(f"{P}sizes", name)
        return sum(int(size or 0) for size in await self._ask(pipe.execute())) if keys else 0

    async def thread(self, thread_id: int) -> ThreadView | None:
        """The thread of an id, also where it is that of a later case; None where nothing is known."""
        alias = await self._ask(self._redis.hget(f"{P}alias:{str(thread_id)[:-2]}", str(thread_id)))
        root = int(alias) if alias else thread_id
        fields = decoded(await self._ask(self._redis.hgetall(f"{P}t:{root}")))
        _, _, *ids = await self._scripts.run("found", str(root), MOST_MATCHES, "", "")
        reopens = [reopen for reopen in await self._existing(ids) if reopen.thread_id == root]
        if not fields and not reopens:
            return None
        thread, _ = thread_codec.thread_from(root, fields, 0)
        return ThreadView(thread, tuple(sorted(reopens, key=lambda reopen: reopen.position)))

    async def thread_alone(self, thread_id: int | None) -> Thread | None:
        """What is known of a thread, without its reopens; None where nothing is."""
        fields = decoded(await self._ask(self._redis.hgetall(f"{P}t:{thread_id}")))
        return thread_codec.thread_from(thread_id, fields, 0)[0] if fields and thread_id is not None else None

    async def duplicates(self, limit: int) -> list[int]:
        """Threads in which Acquire holds an effect of ours that nobody claims."""
        members = await self._ask(self._redis.srandmember(f"{P}duplicates", limit))
        return sorted(int(member) for member in members)

    async def link(self, source: str, ticket_id: str) -> Link | None:
        return await link_of(self._redis, source, ticket_id)

    async def deliveries(
        self,
        *,
        verdict: str | None = None,
        source: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """The latest deliveries, newest first. Looks back over the newest `SCANNED_DELIVERIES` at most."""
        taken: list[Delivery] = []
        last: str | None = None
        end, scanned = f"({cursor}" if cursor else "+", 0
        step = SCAN_STEP if verdict or source else limit + 1
        while scanned < SCANNED_DELIVERIES:
            entries = await self._ask(self._redis.xrevrange(f"{P}deliveries", end, "-", count=step))
            for entry_id, raw in entries:
                fields = decoded(raw)
                if verdict not in {None, fields["verdict"]} or source not in {None, fields["source"]}:
                    continue
                if len(taken) == limit:
                    return DeliveryPage(tuple(taken), last)
                taken.append(delivery_from(fields | {"entry": entry_id.decode()}))
                last = entry_id.decode()
            if len(entries) < step:
                break
            scanned += len(entries)
            end = f"({entries[-1][0].decode()}"
        return DeliveryPage(tuple(taken), None)

    async def sources(self) -> list[str]:
        """Every source that ever had an event accepted."""
        return sorted(raw.decode() for raw in await self._ask(self._redis.smembers(f"{P}sources")))

    async def _existing(self, ids: Iterable[str]) -> list[Reopen]:
        return [reopen for reopen in await self._records(list(ids)) if reopen is not None]

    async def _records(self, ids: list[str]) -> list[Reopen | None]:
        return [codec.reopen_from(fields) if fields else None for fields in await self.fields(ids)]

    async def fields(self, ids: list[str]) -> list[dict[str, str]]:
        """The fields of each, from wherever it is kept."""
        pipe = self._redis.pipeline(transaction=True)
        for reopen_id in ids:
            pipe.hgetall(f"{P}r:{reopen_id}")
            pipe.get(f"{P}d:{reopen_id}")
        rows = await self._ask(pipe.execute()) if ids else []
        return [
            codec.archived_fields(reopen_id, kept) if kept else decoded(fields)
            for reopen_id, fields, kept in zip(ids, rows[::2], rows[1::2], strict=True)
        ]

    _ask = staticmethod(ask)


def delivery_from(fields: dict[str, str]) -> Delivery:
    """A line of the stream, with its `entry` there, whose time counts where the line tells none."""
    return Delivery(
        id=fields["id"],
        source=fields["source"],
        event_id=fields["event_id"] or None,
        received_ms=int(fields["ms"] or fields["entry"].partition("-")[0]),
        verdict=fields["verdict"],
        reason=fields["reason"] or None,
        reopen_id=fields["reopen_id"] or None,
        detail=fields.get("detail") or None,
        ticket_id=fields.get("ticket_id") or None,
    )


def decoded(fields: dict[bytes, bytes]) -> dict[str, str]:
    """A hash as Redis keeps it, as text; bytes that are none survive."""
    return {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in fields.items()}
