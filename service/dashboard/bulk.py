"""One verb for many reopens: counted first, done in the background where they are many, and stoppable.

How far it is stands in Redis, so that every receiver shows it, and one that dies leaves the truth behind:
what it did is done, the rest can be begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.domain.errors import Conflict, LedgerUnavailable, NotFound
from service.domain.reopens import CANCELLABLE, RETRYABLE, Status
from service.ledger.scripts import ask
from service.logs import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger import Ledger
    from service.ledger.audit import By
    from service.ledger.listing import Wanted

KEY = "reopener:bulk"
ALLOWED: dict[str, Sequence[Status]] = {"retry": RETRYABLE, "cancel": CANCELLABLE}
AT_ONCE = 8
"""Verbs in flight: people and workers share this Redis."""
WHILE_ASKED = 200
"""So many are done before the answer; more go on behind it."""
KEPT_SECONDS = 86_400
SILENT_SECONDS = 15

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, by whom, and to what: these ids, or all that match; `subject` says it in words."""

    verb: str
    by: By
    ids: tuple[str, ...] = ()
    wanted: Wanted | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    verb: str
    subject: str
    who: str
    total: int
    done: int
    refused: int
    state: str
    """`running`, `done`, `stopped`, or `broken off` where its receiver went away."""


class Bulk:
    """One order at a time, over all receivers."""

    def __init__(self, ledger: Ledger, connection: Redis) -> None:
        self._ledger = ledger
        self._redis = connection
        self._task: asyncio.Task[Progress] | None = None

    async def count(self, order: Order) -> int:
        """How many of them the verb can be done to."""
        if order.wanted is None:
            return len(order.ids)
        counts = [await self._ledger.listing.count(each) for each in _by_status(order)]
        return sum(counts)

    async def start(self, order: Order) -> Progress | None:
        """Do it. Answers how it ended, or None where it goes on behind the answer. Raises `Conflict`."""
        running = await self.progress()
        if running is not None and running.state == "running":
            raise Conflict(f"{running.who} has {running.verb} of {running.subject} under way; stop it first")
        total = await self.count(order)
        fields = {
            "verb": order.verb,
            "subject": order.subject,
            "who": order.by.who,
            "total": str(total),
            "done": "0",
            "refused": "0",
            "state": "running",
        }
        await self._write(fields)
        self._task = asyncio.create_task(self._run(order))
        if total > WHILE_ASKED:
            return None
        return await self._task

    async def stop(self, by: By) -> None:
        await self._write({"state": "stopped"})
        await self._ledger.audit.note(by, "stop", "the verb for many")

    async def progress(self) -> Progress | None:
        """The latest order, None where there was none for a day."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(KEY)
        pipe.ttl(KEY)
        fields, ttl = await ask(pipe.execute())
        if not fields:
            return None
        told = {name.decode(): value.decode() for name, value in fields.items()}
        counts = {name: int(told.get(name, "0")) for name in ("total", "done", "refused")}
        state = told.get("state", "done")
        if state == "running" and KEPT_SECONDS - ttl > SILENT_SECONDS:
            state = "broken off"
        return Progress(told["verb"], told["subject"], told["who"], state=state, **counts)

    async def _run(self, order: Order) -> Progress:
        done = refused = 0
        try:
            async for ids in self._batches(order):
                for start in range(0, len(ids), AT_ONCE):
                    some = ids[start : start + AT_ONCE]
                    results = await asyncio.gather(*(self._one(order, each) for each in some))
                    done, refused = done + sum(results), refused + results.count(False)
                if not await self._goes_on(done, refused):
                    break
            if order.wanted is not None:
                await self._ledger.audit.note(order.by, order.verb, order.subject, count=done)
            await self._finish()
        except LedgerUnavailable as away:
            log.warning("bulk.broken_off", verb=order.verb, done=done, error=str(away))
        ended = await self.progress()
        return replace(ended, done=done, refused=refused) if ended else _lost(order, done, refused)

    async def _batches(self, order: Order) -> AsyncIterator[list[str]]:
        if order.wanted is None:
            yield list(order.ids)
            return
        for each in _by_status(order):
            async for ids in self._ledger.listing.ids(each):
                yield ids

    async def _one(self, order: Order, reopen_id: str) -> bool:
        verbs = self._ledger.verbs
        verb = verbs.retry if order.verb == "retry" else verbs.cancel
        try:
            await verb(reopen_id, by=order.by if order.wanted is None else None)
        except (Conflict, NotFound):
            return False
        return True

    async def _goes_on(self, done: int, refused: int) -> bool:
        """Note how far it is; False where somebody stopped it."""
        await self._write({"done": str(done), "refused": str(refused)})
        return bool(await ask(self._redis.hget(KEY, "state")) == b"running")

    async def _finish(self) -> None:
        if await ask(self._redis.hget(KEY, "state")) == b"running":
            await self._write({"state": "done"})

    async def _write(self, fields: dict[str, str]) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(KEY, mapping=fields)  # type: ignore[arg-type]
        pipe.expire(KEY, KEPT_SECONDS)
        await ask(pipe.execute())


def _by_status(order: Order) -> list[Wanted]:
    """The order's filter, once for each status that the verb takes."""
    if order.wanted is None:
        return []
    allowed = ALLOWED[order.verb]
    if order.wanted.status is not None:
        return [order.wanted] if order.wanted.status in allowed else []
    return [replace(order.wanted, status=status) for status in allowed]


def _lost(order: Order, done: int, refused: int) -> Progress:
    return Progress(order.verb, order.subject, order.by.who, done + refused, done, refused, "done")
