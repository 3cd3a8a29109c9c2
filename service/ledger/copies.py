"""Copies of the ledger as JSON lines: exported a batch at a time, and taken in again.

{"kind": "export", "version": 1, ...}   first
{"kind": "reopen", "reopen": as the API tells it, "record": all of its fields}, newest first
{"kind": "thread", "id", "fields", "aliases"}   after the reopens of it; one may come several times
{"kind": "link", "source", "ticket_id", "link"}
{"kind": "delivery" | "audit", "id", "fields"}   oldest first
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from service.domain.reopens import DONE, WAITING, Status
from service.ledger.audit import AUDIT_KEY
from service.ledger.codec import archive_rest, reopen_from
from service.ledger.reads import decoded
from service.ledger.scripts import ask, packed
from service.ledger.thread_codec import thread_from

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.domain.reopens import Reopen
    from service.ledger.listing import Listing, Wanted
    from service.ledger.reads import Reads
    from service.ledger.scripts import Scripts

P = "reopener:"
VERSION = 1
AT_ONCE = 500
SALTS_KEY = f"{P}salts"
"""The keys of the hashes in what was taken in."""
STREAMS = {"delivery": f"{P}deliveries", "audit": AUDIT_KEY}
OF_THIS_LEDGER = frozenset({"failure", "asked", "bulk", "was", "rev"})
"""Fields of a record that mean nothing elsewhere, or are made anew."""


class NotAnExport(ValueError):
    """What was given is no export of ours, or of a newer version; the message says why."""


@dataclass(slots=True)
class TakenIn:
    """What an import did: `reopens` are new here, `known` were here or removed, `waiting` were left out since
    they are worked where they came from; `notes` are deliveries and lines of the audit log.
    """

    reopens: int = 0
    known: int = 0
    waiting: int = 0
    threads: int = 0
    links: int = 0
    notes: int = 0


class Copies:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, connection: Redis, listing: Listing, reads: Reads) -> None:
        self._scripts = scripts
        self._redis = connection
        self._listing = listing
        self._reads = reads

    async def lines(self, wanted: Wanted) -> AsyncIterator[tuple[dict[str, Any], Reopen | None]]:
        """The lines of an export, with the reopen of each that is one."""
        salt = await ask(self._redis.get(f"{P}salt"))
        others = [each.decode() for each in await ask(self._redis.smembers(SALTS_KEY)) if each != salt]
        told = {"version": VERSION, "salt": salt.decode() if salt else "", "salts": sorted(others)}
        yield {"kind": "export", **told}, None
        async for ids in self._listing.ids(wanted):
            records = [fields for fields in await self._reads.fields(ids) if fields]
            for fields in records:
                kept = {name: value for name, value in fields.items() if name not in OF_THIS_LEDGER}
                yield {"kind": "reopen", "record": kept}, reopen_from(fields)
            for line in [*await self._threads(records), *await self._links(records)]:
                yield line, None
        for kind in STREAMS:
            async for line in self._stream(kind, wanted.since_ms, wanted.until_ms):
                yield line, None

    async def take_in(self, lines: Iterable[dict[str, Any]]) -> TakenIn:
        """Take in an export, a line at a time; what is known already stays as it is. Raises `NotAnExport`,
        where what came before is taken in.
        """
        done, above = TakenIn(), 0
        for number, line in enumerate(lines):
            try:
                if number == 0:
                    above = await self._begin(line)
                    continue
                if line["kind"] == "reopen":
                    # They come newest first.
                    above = max(above, int(line["record"]["position"]))
                await self._take_in(line, done, above)
            except NotAnExport:
                raise
            except (KeyError, TypeError, ValueError, AttributeError, ResponseError):
                words = f"line {number + 1} is not as an export has it; what came before it was taken in"
                raise NotAnExport(words) from None
        return done

    async def _begin(self, line: dict[str, Any]) -> int:
        """The latest position here. Raises `NotAnExport`."""
        if line.get("kind") != "export":
            raise NotAnExport("its first line does not say that it is an export")
        if line["version"] > VERSION:
            raise NotAnExport(
                f"it was written by a newer version ({line['version']}): use that one to read it"
            )
        if line["salt"]:
            await ask(self._redis.set(f"{P}salt", line["salt"], nx=True))
            await ask(self._redis.sadd(SALTS_KEY, line["salt"], *line.get("salts", ())))
        return int(await ask(self._redis.get(f"{P}position")) or 0)

    async def _take_in(self, line: dict[str, Any], done: TakenIn, above: int) -> None:
        match line["kind"]:
            case "reopen":
                await self._take_in_reopen(line["record"], done, above)
            case "thread":
                told = (packed(_flat(line["fields"])), packed([str(int(case)) for case in line["aliases"]]))
                done.threads += await self._scripts.run("take_in_thread", line["id"], *told)
            case "link":
                field = f"{line['source']}\0{line['ticket_id']}"
                done.links += int(await ask(self._redis.hsetnx(f"{P}links", field, line["link"])))
            case "delivery" | "audit" as kind:
                done.notes += await self._take_in_note(STREAMS[kind], line)
            case kind:
                raise NotAnExport(f"it has a line of an unknown kind: {kind}")

    async def _take_in_reopen(self, record: dict[str, str], done: TakenIn, above: int) -> None:
        reopen = reopen_from(record)
        if reopen.status in WAITING:
            done.waiting += 1
            return
        rest = archive_rest(reopen) if reopen.status in DONE else b""
        statuses = packed([status.value for status in Status])
        is_new = await self._scripts.run("take_in", packed(_flat(record)), rest, above, statuses)
        done.reopens += is_new
        done.known += 1 - is_new

    async def _take_in_note(self, stream: str, line: dict[str, Any]) -> int:
        """Streams grow at their end alone: what is older than what is here stays out."""
        try:
            await ask(self._redis.xadd(stream, line["fields"], id=line["id"]))
        except ResponseError:
            return 0
        return 1

    async def _threads(self, records: list[dict[str, str]]) -> list[dict[str, Any]]:
        ids = sorted({fields["thread_id"] for fields in records if fields.get("thread_id")})
        pipe = self._redis.pipeline(transaction=False)
        for thread_id in ids:
            pipe.hgetall(f"{P}t:{thread_id}")
        rows = [decoded(row) for row in await ask(pipe.execute())] if ids else []
        return [
            {"kind": "thread", "id": thread_id, "fields": fields, "aliases": _aliases(int(thread_id), fields)}
            for thread_id, fields in zip(ids, rows, strict=True)
            if fields
        ]

    async def _links(self, records: list[dict[str, str]]) -> list[dict[str, Any]]:
        tickets = sorted({(r["source"], r["ticket_id"]) for r in records if r.get("ticket_id")})
        fields = [f"{source}\0{ticket_id}" for source, ticket_id in tickets]
        values = await ask(self._redis.hmget(f"{P}links", fields)) if fields else []
        return [
            {"kind": "link", "source": source, "ticket_id": ticket_id, "link": value.decode()}
            for (source, ticket_id), value in zip(tickets, values, strict=True)
            if value
        ]

    async def _stream(
        self, kind: str, since_ms: int | None, until_ms: int | None
    ) -> AsyncIterator[dict[str, Any]]:
        # An id is no less than 0: before 1970 nothing came.
        if until_ms is not None and until_ms <= 0:
            return
        start = "-" if since_ms is None else str(max(0, since_ms))
        end = "+" if until_ms is None else f"({until_ms}"
        while entries := await ask(self._redis.xrange(STREAMS[kind], start, end, count=AT_ONCE)):
            for entry_id, fields in entries:
                yield {"kind": kind, "id": entry_id.decode(), "fields": decoded(fields)}
            start = f"({entries[-1][0].decode()}"


def _aliases(thread_id: int, fields: dict[str, str]) -> list[str]:
    """The later cases that lead to a thread: those it shows."""
    thread, _ = thread_from(thread_id, fields, 0)
    return sorted(
        {str(case_id) for case_id in thread.cases if case_id != thread_id}
        | {*fields.get("aliases", "").split()}
    )


def _flat(fields: dict[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
