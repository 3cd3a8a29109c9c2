"""Forgetting a customer: every trace of some reopens goes, but for keyed hashes of their ids."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from redis.exceptions import ResponseError

from service.domain.errors import Conflict
from service.ledger.admission import canonical_address, hashed
from service.ledger.audit import AUDIT_KEY
from service.ledger.copies import SALTS_KEY
from service.ledger.heard import unindex
from service.ledger.reads import Delivery, decoded, delivery_from
from service.ledger.scripts import ask, packed
from service.ledger.thread_codec import thread_fields, thread_from

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.domain.reopens import Reopen
    from service.domain.threads import Thread
    from service.ledger.reads import Reads
    from service.ledger.scripts import Scripts

P = "reopener:"
AT_ONCE = 500
LATE_MS = 32 * 86_400_000
"""So much later a delivery that came before its customer was forgotten does not bring them back."""
BUSY = "an attempt of it is running: try again when it has ended"
Kind = Literal["contact", "email", "ticket"]
File = Literal["rewriting", "busy", "none", "refused"]


class Forgetting:
    """The ledger's part of it. Every method raises `LedgerUnavailable` where Redis is away, and all may be
    repeated until nothing is left.
    """

    def __init__(self, scripts: Scripts, connection: Redis, reads: Reads) -> None:
        self._scripts = scripts
        self._redis = connection
        self._reads = reads

    async def note(self, whom: Collection[tuple[Kind, str, str | None]], told: str = "") -> None:
        """Note who is forgotten (kind, value, source or None for any): what came before and waits in a spool,
        or is admitted once more, does not bring them back. `told` is the line of the audit log. All that was
        written has come as far as the settings ask when this returns.
        """
        names = [
            f"{kind}\0{canonical_address(value) if kind == 'email' else value}\0{source or ''}"
            for kind, value, source in whom
        ]
        for first in range(0, len(names), AT_ONCE):
            await self._scripts.run("forgotten", LATE_MS, packed(names[first : first + AT_ONCE]), "")
        await self._scripts.run_durably("forgotten", LATE_MS, packed([]), told)

    async def reopens(self, kind: Kind, value: str, source: str | None) -> AsyncIterator[list[Reopen]]:
        """Reopens of this contact, address or ticket, in batches. What comes or ends meanwhile may be left
        out.
        """
        for name in await self._marks(value) if kind == "email" else [value]:
            working = done = ""
            while (working, done) != ("-", "-"):
                after = (working, done.encode("utf-8", "surrogateescape"))
                working, done, *ids = await self._scripts.run("found", name, AT_ONCE, *after)
                records = [record for record in await self._reads.reopens(ids) if record is not None]
                yield [
                    record
                    for record in records
                    if source in {None, record.source}
                    and (kind != "contact" or str(record.contact_id) == value)
                    and (kind != "ticket" or record.ticket_id == value)
                ]

    async def check_idle(self, records: Sequence[Reopen]) -> None:
        """Raises `Conflict` while a worker is at one of them: its attempt has to come to its end first."""
        held = {name.decode() for name in await ask(self._redis.hkeys(f"{P}leases"))}
        if any(_boxes(record) & held for record in records):
            raise Conflict(BUSY)

    async def erase(self, record: Reopen, tombstone_ms: int) -> bool:
        """Remove one; False where it went meanwhile. Raises `Conflict` while it is being worked."""
        while True:
            doc, without = await self._without_words(record)
            done = await self._scripts.run("forget", record.id, tombstone_ms, doc, packed(without))
            if done == "busy":
                raise Conflict(BUSY)
            if done != "changed":
                break
        if record.ticket_id:
            # The other half of a reply that comes as two events (admit.lua) is waited for no more.
            await ask(self._redis.unlink(f"{P}halves:{hashed(record.source, record.ticket_id)}"))
        return bool(done == "done")

    async def links(self, kind: Kind, value: str, source: str | None) -> list[tuple[str, str]]:
        """Source and ticket of every link of a ticket or to a contact."""
        found: list[tuple[str, str]] = []
        cursor: int | None = None
        while cursor != 0:
            cursor, links = await ask(self._redis.hscan(f"{P}links", cursor or 0, count=AT_ONCE))
            for field, link in links.items():
                of_source, _, ticket_id = field.decode().partition("\0")
                is_it = {"contact": link.decode().partition(":")[0] == value, "ticket": ticket_id == value}
                if is_it.get(kind) and source in {None, of_source}:
                    found.append((of_source, ticket_id))
        return found

    async def erase_links(self, links: Collection[tuple[str, str]]) -> int:
        gone = [f"{source}\0{ticket_id}" for source, ticket_id in links]
        return int(await ask(self._redis.hdel(f"{P}links", *gone))) if gone else 0

    async def erase_deliveries(self, concerns: Callable[[Delivery], bool]) -> int:
        """Drop the lines of deliveries that concern the customer; returns how many there were."""
        count, start = 0, "-"
        while entries := await ask(self._redis.xrange(f"{P}deliveries", start, "+", count=AT_ONCE)):
            start = f"({entries[-1][0].decode()}"
            pipe = self._redis.pipeline(transaction=False)
            for entry_id, raw in entries:
                delivery = delivery_from(decoded(raw) | {"entry": entry_id.decode()})
                if concerns(delivery):
                    count += 1
                    unindex(pipe, delivery, entry_id.decode())
                    pipe.xdel(f"{P}deliveries", entry_id)
            await ask(pipe.execute())
        return count

    async def erase_words(self, ids: Collection[str], names: Callable[[str], bool]) -> int:
        """Drop the audit log's lines that tell of the customer in words, what bulks were called by, and what
        Acquire said when it was last left alone, whomever that was about.
        """
        await ask(self._redis.hdel(f"{P}breaker", "detail"))
        count, start = 0, "-"
        while entries := await ask(self._redis.xrange(AUDIT_KEY, start, "+", count=AT_ONCE)):
            start = f"({entries[-1][0].decode()}"
            gone = [entry_id for entry_id, raw in entries if _tells_of(decoded(raw), ids, names)]
            if gone:
                count += int(await ask(self._redis.xdel(AUDIT_KEY, *gone)))
        for bulk in await ask(self._redis.zrange(f"{P}bulks", 0, -1)):
            key = f"{P}bulk:{bulk.decode()}"
            fields = decoded(await ask(self._redis.hgetall(key)))
            if names(fields.get("subject", "")) or names(fields.get("why", "")):
                await ask(self._redis.hset(key, mapping={"subject": "(forgotten)", "why": ""}))
        return count

    async def erase_from_file(self) -> File:
        """Have Redis write its append-only file anew, without what was erased: "rewriting". "busy" while it
        is writing one that was begun before, "none" where there is no such file, "refused" where Redis does
        not let us.
        """
        if not (await ask(self._redis.info("persistence"))).get("aof_enabled"):
            return "none"
        try:
            await ask(self._redis.bgrewriteaof())
        except ResponseError as error:
            # As rewriteaof of aof.c words it, in Redis and Valkey; what is forbidden is worded otherwise.
            return "busy" if "already in progress" in str(error) else "refused"
        return "rewriting"

    async def _marks(self, address: str) -> list[str]:
        """What reopens of an address are found by, as `mark_of` in marks.lua makes it. Those that were taken
        in have it by the key of the ledger that they came from.
        """
        own = await ask(self._redis.get(f"{P}salt"))
        salts = {own, *await ask(self._redis.smembers(SALTS_KEY))} - {None}
        told = canonical_address(address).encode()
        return [f"@{hashlib.sha1(salt + told, usedforsecurity=False).hexdigest()[:20]}" for salt in salts]

    async def _without_words(self, record: Reopen) -> tuple[str, list[str]]:
        """The document of its thread as it is, and as it is to be; nothing where it has none of its words."""
        if record.thread_id is None:
            return "", []
        fields = decoded(await ask(self._redis.hgetall(f"{P}t:{record.thread_id}")))
        written = {name: value for name, value in fields.items() if name.startswith("doc")}
        thread, _ = thread_from(record.thread_id, written, 0)
        if not thread.intents_of(record.id):
            return "", []
        return fields["doc"], thread_fields(_silent(thread, record.id))


def _silent(thread: Thread, reopen_id: str) -> Thread:
    """The thread without a reopen's words: what is unsettled stays, as ids alone; nothing else is watched."""
    intents = [each for each in thread.intents if each.reopen_id != reopen_id or not each.watched]
    silent = [replace(each, words=None) if each.reopen_id == reopen_id else each for each in intents]
    return replace(thread, intents=tuple(silent))


def _boxes(record: Reopen) -> set[str]:
    """The names under which its thread or its ticket may be held."""
    return {str(record.thread_id), f"k:{record.source}:{record.ticket_id or '#' + record.id}"}


def _tells_of(line: dict[str, str], ids: Collection[str], names: Callable[[str], bool]) -> bool:
    subject, why = line.get("subject", ""), line.get("why", "")
    return bool(why and subject in ids) or names(subject) or names(why)
