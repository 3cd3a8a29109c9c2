"""The ledger in numbers: how many are where, and what keeps the account from sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.breaker import State, with_clock_set_back
from service.domain.reopens import WAITING, Status
from service.ledger.care import breaker_from
from service.ledger.reads import decoded
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.reads import Reads
    from service.queue import Bells

P = "reopener:"


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
    openings: int = 0
    """Of the breaker, in a row."""
    durable: bool = False
    """Whether Redis cannot forget what we answered (`service.ledger.account.Account.note_durability`)."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The ledger in numbers. `accepted` are those that are kept, `removed` those that retention or `forget`
    took away since; `totals` counts deliveries by verdict since ever.
    """

    accepted: int
    removed: int
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


class Counts:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, bells: Bells, reads: Reads) -> None:
        self._redis = connection
        self._reads = reads
        self._queue_keys = [bells.queue_key("live"), bells.queue_key("backlog")]

    async def stats(self, now_ms: int) -> Stats:
        sources = await self._reads.sources()
        pipe = self._redis.pipeline(transaction=True)
        for source in sources:
            for status in Status:
                pipe.zcard(f"{P}is:{source}:{status.value}")
        for source in sources:
            for status in WAITING:
                pipe.zrange(f"{P}is:{source}:{status.value}", 0, 0)
        pipe.hgetall(f"{P}sizes")
        pipe.hgetall(f"{P}totals")
        for queue_key in self._queue_keys:
            pipe.llen(queue_key)
        pipe.hlen(f"{P}leases")
        pipe.hgetall(f"{P}account")
        pipe.hgetall(f"{P}breaker")
        pipe.scard(f"{P}duplicates")
        rows = await self._ask(pipe.execute())
        counts = iter(rows[: len(sources) * len(Status)])
        oldest = [row[0].decode() for row in rows[len(sources) * len(Status) : -8] if row]
        sizes, totals, live, backlog, in_flight, account, breaker, duplicates = rows[-8:]
        archived = {name: int(size) for name, size in decoded(sizes).items()}
        by_source = {
            source: {
                status.value: next(counts) + archived.get(f"done:{source}:{status.value}", 0)
                for status in Status
            }
            for source in sources
        }
        numbers = {name: int(value) for name, value in decoded(totals).items()}
        removed = numbers.pop("removed", 0)
        return Stats(
            accepted=numbers.pop("accepted", 0) - removed,
            removed=removed,
            by_status={
                status.value: sum(row[status.value] for row in by_source.values()) for status in Status
            },
            by_source=by_source,
            oldest_waiting_seconds=await self._oldest_seconds(oldest, now_ms),
            queue_depth=live + backlog,
            in_flight=in_flight,
            duplicates=duplicates,
            totals=numbers,
            account=_account(decoded(account), decoded(breaker), now_ms),
        )

    async def account(self, now_ms: int) -> Account:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(f"{P}account")
        pipe.hgetall(f"{P}breaker")
        account, breaker = await self._ask(pipe.execute())
        return _account(decoded(account), decoded(breaker), now_ms)

    async def changes(self) -> tuple[str, ...]:
        """Differs when a delivery came, a position was given, or a call for many went on."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(f"{P}position")
        pipe.hgetall(f"{P}totals")
        pipe.get(f"{P}bulks:news")
        return tuple(str(row) for row in await self._ask(pipe.execute()))

    async def _oldest_seconds(self, ids: list[str], now_ms: int) -> float:
        created = [reopen.created_ms for reopen in await self._reads.reopens(ids) if reopen is not None]
        return max(0.0, (now_ms - min(created)) / 1000) if created else 0.0

    _ask = staticmethod(ask)


def _account(fields: dict[str, str], breaker_fields: dict[str, str], now_ms: int) -> Account:
    why, until_ms, detail = None, None, None
    breaker = with_clock_set_back(breaker_from(breaker_fields), now_ms)
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
        openings=breaker.opened,
        durable=fields.get("keeps_answers") == "1",
    )
