"""One verb for many reopens, with its progress in Redis for everybody to see, and a way to stop it half-way.

A cancel is done at once. Retries are queued at once, and begun in lanes of their own: a few at a time over
all workers, of each bulk in turn, behind new replies. Until a worker has claimed one, it can be taken back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

from service.domain.errors import Conflict, NotFound
from service.domain.reopens import CANCELLABLE, RETRYABLE, Status
from service.ledger.audit import line
from service.ledger.listing import Wanted
from service.ledger.scripts import ask, packed
from service.ledger.verbs import CANCELLED_FIELDS, RETRIED_FIELDS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.audit import Audit, By
    from service.ledger.deeds import Deeds
    from service.ledger.listing import Listing
    from service.ledger.scripts import Scripts

Verb = Literal["retry", "cancel"]

P = "reopener:"
ALLOWED: dict[Verb, Sequence[Status]] = {"retry": RETRYABLE, "cancel": CANCELLABLE}
LEADS_TO: dict[Verb, Status] = {"retry": Status.QUEUED, "cancel": Status.CANCELLED}
FIELDS: dict[Verb, Sequence[str]] = {"retry": RETRIED_FIELDS, "cancel": CANCELLED_FIELDS}
AT_ONCE = 200
KEPT_SECONDS = 7 * 86_400
LONGEST_SECONDS = 30 * 86_400
"""So long it may be under way; what is left then is still done, but told of no more."""
MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, by whom, and to what: these ids, or all that match; `subject` says it in words."""

    verb: Verb
    by: By
    ids: tuple[str, ...] = ()
    wanted: Wanted | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Bulk:
    """How far a verb for many is. `state` is `running`, `done` or `cancelled`.

    `taken` were taken up, `refused` had gone on meanwhile and were left as they were. Of those taken up,
    `left` are still to be begun, `taken_back` were not begun and are as they were, and `ended` counts the
    others by the status they came to (`retrying`: an ordinary retry by now). `is_cut_short`: whoever listed
    them went away in the middle of it, and those missing are as they were.
    """

    id: str
    verb: str
    subject: str
    who: str
    why: str
    state: str
    created_ms: int
    ended_ms: int | None
    taken: int
    refused: int
    left: int
    taken_back: int
    ended: dict[str, int] = field(default_factory=dict)
    is_cut_short: bool = False

    @property
    def goes_on(self) -> bool:
        return self.state == "running" or self.in_work > 0

    @property
    def in_work(self) -> int:
        return self.taken - self.left - self.taken_back - sum(self.ended.values())


class Bulks:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(
        self,
        scripts: Scripts,
        connection: Redis,
        listing: Listing,
        audit: Audit,
        deeds: Deeds,
        *,
        at_once: int,
    ) -> None:
        self._scripts = scripts
        self._redis = connection
        self._listing = listing
        self._audit = audit
        self._deeds = deeds
        self._at_once = at_once

    async def count(self, order: Order) -> int:
        """How many of them the verb can be done to."""
        if order.wanted is None:
            return len(order.ids)
        return sum([await self._listing.count(each) for each in _by_status(order)])

    async def create(self, order: Order) -> str:
        """Note that it begins; `fill` does it. Returns its id."""
        bulk_id = token_hex(8)
        await self._do(bulk_id, order, [])
        return bulk_id

    async def fill(self, bulk_id: str, order: Order) -> Bulk:
        """Do it to each, or until somebody stops it; returns how far it is then."""
        async for ids in self._batches(order):
            if not await self._do(bulk_id, order, ids):
                break
        await self._do(bulk_id, order, [], is_last=True)
        await self.feed()
        bulk = await self.bulk(bulk_id)
        if order.wanted is not None:
            await self._audit.note(order.by, order.verb, order.subject, count=bulk.taken)
        return bulk

    async def recall(self, bulk_id: str, *, by: By) -> Bulk:
        """Stop it: what no worker has begun is again as it was. Raises `NotFound`, or `Conflict` where it is
        over.
        """
        told = line(by, "stop", f"bulk {bulk_id}")
        args, left = (bulk_id, str(AT_ONCE), told, str(KEPT_SECONDS)), 1
        while left:
            outcome, *more = await self._scripts.run("recall", *args)
            if outcome == "missing":
                raise NotFound("there is no bulk of that id")
            if outcome == "over":
                raise Conflict("it is over: there is nothing to stop")
            left, epoch = more
            self._deeds.keep("recall", args, (), epoch)
        return await self.bulk(bulk_id)

    async def feed(self) -> tuple[int, list[str]]:
        """Begin what there is room for; returns how many lanes wait, and the boxes that are to be rung."""
        lanes, boxes = await self._scripts.run("feed", self._at_once, KEPT_SECONDS)
        return int(lanes), list(boxes)

    async def bulk(self, bulk_id: str) -> Bulk:
        """Raises `NotFound`."""
        (bulk,) = await self._read([bulk_id])
        if bulk is None:
            raise NotFound("there is no bulk of that id")
        return bulk

    async def latest(self) -> list[Bulk]:
        """Newest first."""
        ids = await ask(self._redis.zrevrange(f"{P}bulks", 0, MOST_SHOWN - 1))
        return [bulk for bulk in await self._read([each.decode() for each in ids]) if bulk is not None]

    async def _do(self, bulk_id: str, order: Order, ids: list[str], *, is_last: bool = False) -> bool:
        """False where somebody stopped it."""
        verb, lines = order.verb, [line(order.by, order.verb, each) for each in ids if order.wanted is None]
        statuses = packed([status.value for status in ALLOWED[verb]])
        begins = ("verb", verb, "subject", order.subject, "who", order.by.who, "why", order.by.why)
        args = (
            *(bulk_id, verb, statuses, LEADS_TO[verb].value, packed(FIELDS[verb])),
            *(packed(ids), packed(lines), "1" if is_last else "", str(KEPT_SECONDS)),
            *(packed(begins), str(LONGEST_SECONDS), str(MOST_SHOWN)),
        )
        outcome, *more = await self._scripts.run("many", *args, "")
        if outcome == "stopped":
            return False
        _, now, epoch = more
        self._deeds.keep("many", args, (now,), epoch)
        return True

    async def _read(self, ids: Sequence[str]) -> list[Bulk | None]:
        pipe = self._redis.pipeline(transaction=True)
        for each in ids:
            pipe.hgetall(_key(each))
            pipe.zcard(f"{_key(each)}:left")
        rows = await ask(pipe.execute()) if ids else []
        return [_bulk(*row) for row in zip(ids, rows[::2], rows[1::2], strict=True)]

    async def _batches(self, order: Order) -> AsyncIterator[list[str]]:
        if order.wanted is None:
            yield list(order.ids)
            return
        for each in _by_status(order):
            async for ids in self._listing.ids(each):
                for start in range(0, len(ids), AT_ONCE):
                    yield ids[start : start + AT_ONCE]


def _by_status(order: Order) -> list[Wanted]:
    """The order's filter, once for each status that the verb takes."""
    if order.wanted is None:
        return []
    allowed = ALLOWED[order.verb]
    if order.wanted.status is not None:
        return [order.wanted] if order.wanted.status in allowed else []
    return [replace(order.wanted, status=status) for status in allowed]


def _key(bulk_id: str) -> str:
    return f"{P}bulk:{bulk_id}"


def _bulk(bulk_id: str, fields: dict[bytes, bytes], left: int) -> Bulk | None:
    told = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    if "verb" not in told:
        return None
    return Bulk(
        id=bulk_id,
        verb=told["verb"],
        subject=told["subject"],
        who=told["who"],
        why=told["why"],
        state=told["state"],
        created_ms=int(told["created_ms"]),
        ended_ms=int(told["ended_ms"]) if "ended_ms" in told else None,
        taken=int(told.get("taken", "0")),
        refused=int(told.get("refused", "0")),
        left=left,
        taken_back=int(told.get("taken_back", "0")),
        ended={name[3:]: int(value) for name, value in told.items() if name.startswith("to:")},
        is_cut_short=bool(told.get("is_cut_short")),
    )
