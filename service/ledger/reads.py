"""What people and programs see of the ledger. Reads only; bounded in cost, whatever is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.breaker import State
from service.domain.reopens import WAITING, Reopen, Status
from service.ledger import codec
from service.ledger.care import breaker_from
from service.ledger.links import Link
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from service.domain.threads import Thread
    from service.queue import Bells

P = "reopener:"
MOST_MATCHES = 1_000
"""A search looks at so many matches of its prefix."""
SCANNED_DELIVERIES = 20_000
SCAN_STEP = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery and its verdict: accepted, duplicate, ignored, held or rejected.

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
    """The latest delivery of an event, and its repeats: when each came (unix ms), and whether with another
    body. Of very many repeats the first ones.
    """

    latest_delivery: str | None
    repeats: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread with all its reopens, oldest first."""

    thread: Thread
    reopens: tuple[Reopen, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What keeps the account from sending: `why` is a slug, None where nothing does."""

    paused: bool
    why: str | None
    until_ms: int | None
    detail: str | None
    read_lag_ms: int
    breaker: State = "closed"
    paused_by: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """The ledger in numbers. `totals` counts deliveries by verdict since ever."""

    accepted: int
    by_status: dict[str, int]
    by_source: dict[str, dict[str, int]]
    oldest_waiting_seconds: float
    queue_depth: int
    in_flight: int
    duplicates: int
    totals: dict[str, int]
    account: Account

    @property
    def waiting(self) -> int:
        return sum(self.by_status[status.value] for status in WAITING)

    @property
    def balanced(self) -> bool:
        """The conservation law: whatever was accepted is somewhere a person can see it."""
        return self.accepted == sum(self.by_status.values())


class Reads:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, bells: Bells) -> None:
        self._redis = connection
        self._queue_key = bells.queue_key
        self._workers_key = bells.workers_key

    async def reopen(self, reopen_id: str) -> Reopen | None:
        return (await self._records([reopen_id]))[0]

    async def body_hash(self, reopen_id: str) -> str | None:
        """The hash of the body that a reopen was first admitted with."""
        value = await self._ask(self._redis.hget(f"{P}r:{reopen_id}", "body_hash"))
        return value.decode() if value else None

    async def arrivals(self, reopen_id: str) -> Arrivals:
        """When and how the event of a reopen came."""
        fields = await self._ask(self._redis.hmget(f"{P}r:{reopen_id}", ["last_delivery", "repeats"]))
        latest, repeats = (value.decode() if value else "" for value in fields)
        told = [(int(each.rstrip("!")), each.endswith("!")) for each in repeats.split()]
        return Arrivals(latest or None, tuple(told))

    async def reopens(self, ids: list[str]) -> list[Reopen | None]:
        """The records of these ids, in order; None where there is none."""
        return await self._records(ids)

    async def cardinality(self, keys: list[str]) -> int:
        """How many members these sorted sets have together."""
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.zcard(key)
        return sum(await self._ask(pipe.execute())) if keys else 0

    async def thread(self, thread_id: int) -> ThreadView | None:
        """The thread of an id, also where it is that of a later case; None where nothing is known."""
        alias = await self._ask(self._redis.hget(f"{P}t:{thread_id}", "alias"))
        root = int(alias) if alias else thread_id
        fields = _decoded(await self._ask(self._redis.hgetall(f"{P}t:{root}")))
        reopens = [
            reopen
            for reopen in await self._existing(await self._found(f"{root}\0"))
            if reopen.thread_id == root
        ]
        if not fields and not reopens:
            return None
        thread, _ = codec.thread_from(root, fields, 0)
        return ThreadView(thread, tuple(sorted(reopens, key=lambda reopen: reopen.position)))

    async def thread_alone(self, thread_id: int | None) -> Thread | None:
        """What is known of a thread, without its reopens; None where nothing is."""
        fields = _decoded(await self._ask(self._redis.hgetall(f"{P}t:{thread_id}")))
        return codec.thread_from(thread_id, fields, 0)[0] if fields and thread_id is not None else None

    async def duplicates(self, limit: int) -> list[int]:
        """Threads in which Acquire holds an effect of ours that nobody claims."""
        members = await self._ask(self._redis.srandmember(f"{P}duplicates", limit))
        return sorted(int(member) for member in members)

    async def link(self, source: str, ticket_id: str) -> Link | None:
        value = await self._ask(self._redis.hget(f"{P}links", f"{source}\0{ticket_id}"))
        if value is None:
            return None
        contact_id, thread_id = value.decode().split(":")
        return Link(int(contact_id), int(thread_id))

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
                fields = _decoded(raw)
                if verdict not in {None, fields["verdict"]} or source not in {None, fields["source"]}:
                    continue
                if len(taken) == limit:
                    return DeliveryPage(tuple(taken), last)
                taken.append(delivery_from(fields))
                last = entry_id.decode()
            if len(entries) < step:
                break
            scanned += len(entries)
            end = f"({entries[-1][0].decode()}"
        return DeliveryPage(tuple(taken), None)

    async def stats(self, now_ms: int) -> Stats:
        sources = await self.sources()
        pipe = self._redis.pipeline(transaction=True)
        for source in sources:
            for status in Status:
                pipe.zcard(f"{P}is:{source}:{status.value}")
        for source in sources:
            for status in WAITING:
                pipe.zrange(f"{P}is:{source}:{status.value}", 0, 0)
        pipe.hgetall(f"{P}totals")
        pipe.llen(self._queue_key)
        pipe.hlen(f"{P}leases")
        pipe.hgetall(f"{P}account")
        pipe.hgetall(f"{P}breaker")
        pipe.scard(f"{P}duplicates")
        rows = await self._ask(pipe.execute())
        counts = iter(rows[: len(sources) * len(Status)])
        by_source = {source: {status.value: next(counts) for status in Status} for source in sources}
        oldest = [row[0].decode() for row in rows[len(sources) * len(Status) : -6] if row]
        totals, depth, in_flight, account, breaker, duplicates = rows[-6:]
        numbers = {name: int(value) for name, value in _decoded(totals).items()}
        return Stats(
            accepted=numbers.pop("accepted", 0),
            by_status={
                status.value: sum(row[status.value] for row in by_source.values()) for status in Status
            },
            by_source=by_source,
            oldest_waiting_seconds=await self._oldest_seconds(oldest, now_ms),
            queue_depth=depth,
            in_flight=in_flight,
            duplicates=duplicates,
            totals=numbers,
            account=_account(_decoded(account), _decoded(breaker), now_ms),
        )

    async def account(self, now_ms: int) -> Account:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(f"{P}account")
        pipe.hgetall(f"{P}breaker")
        account, breaker = await self._ask(pipe.execute())
        return _account(_decoded(account), _decoded(breaker), now_ms)

    async def workers(self) -> int:
        """How many workers RQ knows of for our queue: those whose registration has not expired."""
        names = await self._ask(self._redis.smembers(self._workers_key))
        return int(await self._ask(self._redis.exists(*names))) if names else 0

    async def sources(self) -> list[str]:
        """Every source that ever had an event accepted."""
        return sorted(raw.decode() for raw in await self._ask(self._redis.smembers(f"{P}sources")))

    async def changes(self) -> tuple[str, ...]:
        """Differs when a delivery came, a position was given, or a call for many went on."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(f"{P}position")
        pipe.hgetall(f"{P}totals")
        pipe.hgetall(f"{P}bulk")
        return tuple(str(row) for row in await self._ask(pipe.execute()))

    async def ping(self) -> None:
        """Whether Redis takes writes: a replica, or one that is full, cannot take a webhook."""
        await self._ask(self._redis.set(f"{P}ping", "1", ex=60))

    async def _found(self, prefix: str) -> list[str]:
        low = b"[" + prefix.encode()
        members = await self._ask(
            self._redis.zrange(f"{P}find", low, low + b"\xff", bylex=True, offset=0, num=MOST_MATCHES)
        )
        return list(dict.fromkeys(member.decode().rpartition("\0")[2] for member in members))

    async def _existing(self, ids: Iterable[str]) -> list[Reopen]:
        return [reopen for reopen in await self._records(list(ids)) if reopen is not None]

    async def _records(self, ids: list[str]) -> list[Reopen | None]:
        pipe = self._redis.pipeline(transaction=False)
        for reopen_id in ids:
            pipe.hgetall(f"{P}r:{reopen_id}")
        rows = await self._ask(pipe.execute()) if ids else []
        return [codec.reopen_from(_decoded(row)) if row else None for row in rows]

    async def _oldest_seconds(self, ids: list[str], now_ms: int) -> float:
        created = [reopen.created_ms for reopen in await self._existing(ids)]
        return max(0.0, (now_ms - min(created)) / 1000) if created else 0.0

    _ask = staticmethod(ask)


def delivery_from(fields: dict[str, str]) -> Delivery:
    return Delivery(
        id=fields["id"],
        source=fields["source"],
        event_id=fields["event_id"] or None,
        received_ms=int(fields["ms"]),
        verdict=fields["verdict"],
        reason=fields["reason"] or None,
        reopen_id=fields["reopen_id"] or None,
        detail=fields.get("detail") or None,
        ticket_id=fields.get("ticket_id") or None,
    )


def _account(fields: dict[str, str], breaker_fields: dict[str, str], now_ms: int) -> Account:
    why, until_ms, detail = None, None, None
    breaker = breaker_from(breaker_fields)
    state = breaker.state(now_ms)
    quarantine_until = int(fields.get("quarantine_until") or 0)
    if quarantine_until > now_ms:
        why, until_ms = "quarantined", quarantine_until
        detail = "Redis started anew: calls nobody remembers may still act"
        state = "open"
    elif state != "closed":
        why, until_ms, detail = breaker.why, breaker.until_ms, breaker_fields.get("detail")
    paused = "paused" in fields
    return Account(
        paused=paused,
        why="paused" if paused else why,
        until_ms=until_ms,
        detail=detail,
        read_lag_ms=int(fields.get("read_lag_ms") or 0),
        breaker=state,
        paused_by=fields.get("paused", ""),
    )


def _decoded(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in fields.items()}
