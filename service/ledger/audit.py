"""The audit log: who did what, to what, when and why. Append-only, in Redis, the latest 20,000 lines.

Verbs write their line in the script that does the deed, so that neither is there without the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

AUDIT_KEY = "reopener:audit"
KEPT_LINES = 20_000
"""About a year of fifty deeds a day; `audit.lua` holds to the same number."""
LONGEST_WORDS = 500


@dataclass(frozen=True, slots=True)
class By:
    """Who wants something done, through which door, and why. `who` is a name or an address as it was told."""

    who: str
    via: Literal["dashboard", "api", "command line"]
    why: str = ""

    def line(self, what: str, subject: str, *, count: int = 1) -> str:
        """The line for a script; `subject` is a reopen's id, or what was chosen, and `count` how many."""
        fields = self.fields(what, subject, count=count)
        return json.dumps([part for pair in fields.items() for part in pair])

    def fields(self, what: str, subject: str, *, count: int = 1) -> dict[Any, Any]:
        told = {"who": self.who, "via": self.via, "what": what, "subject": subject, "why": self.why}
        return {name: value[:LONGEST_WORDS] for name, value in told.items()} | {"count": str(count)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `ms` is Redis' time; `id` is also the cursor of what is older."""

    id: str
    ms: int
    who: str
    via: str
    what: str
    subject: str
    why: str
    count: int


class Audit:
    """Reads the log, and writes what no script does."""

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    async def note(self, by: By, what: str, subject: str, *, count: int = 1) -> None:
        fields = by.fields(what, subject, count=count)
        await self._ask(self._redis.xadd(AUDIT_KEY, fields, maxlen=KEPT_LINES, approximate=True))

    async def latest(self, *, cursor: str | None = None, limit: int = 50) -> tuple[list[Entry], str | None]:
        """Lines, newest first, and the cursor of what is older; None on the last page."""
        rows = await self._ask(
            self._redis.xrevrange(AUDIT_KEY, f"({cursor}" if cursor else "+", "-", count=limit + 1)
        )
        entries = [_entry(entry_id, fields) for entry_id, fields in rows]
        more = len(entries) > limit
        return entries[:limit], entries[limit - 1].id if more else None

    async def of(self, subject: str, *, among: int = 2_000) -> list[Entry]:
        """What was done to one reopen, oldest first, among the latest lines."""
        rows = await self._ask(self._redis.xrevrange(AUDIT_KEY, count=among))
        wanted = subject.encode()
        found = [_entry(*row) for row in rows if row[1].get(b"subject") == wanted]
        return found[::-1]

    _ask = staticmethod(ask)


def line(by: By | None, what: str, subject: str, *, count: int = 1) -> str:
    """The line for a script, "" where nobody in particular wants it."""
    return by.line(what, subject, count=count) if by else ""


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    told = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    return Entry(
        id=entry_id.decode(),
        ms=int(entry_id.partition(b"-")[0]),
        who=told.get("who", ""),
        via=told.get("via", ""),
        what=told.get("what", ""),
        subject=told.get("subject", ""),
        why=told.get("why", ""),
        count=int(told.get("count") or 1),
    )
