"""Lists of reopens, newest first: by status, source, reason, time, group of failures, or part of an id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.reopens import DONE, Page, Reopen, Status
from service.ledger.scripts import packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.ledger.reads import Reads
    from service.ledger.scripts import Scripts

P = "reopener:"
MOST_MATCHES = 1_000
"""A search looks at so many matches of its prefix: of many that have this very id, at the newest."""
MOST_LOOKED_AT = 2_000
"""A page by reason looks at so many reopens, then says where to go on."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reopens; None is any. `prefix` begins a reopen, event, ticket, contact, thread or case id, times
    are those of admission, `group` is one of `Failures`.
    """

    status: Status | None = None
    source: str | None = None
    prefix: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    group: str | None = None


class Listing:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, reads: Reads) -> None:
        self._scripts = scripts
        self._reads = reads

    async def page(self, wanted: Wanted, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A page of reopens; `cursor` is the `next_cursor` of the one before."""
        following, ids = await self._pick(wanted, cursor, limit)
        records = await self._reads.reopens(ids)
        return Page(tuple(record for record in records if record is not None), following)

    async def all(self, wanted: Wanted) -> AsyncIterator[Reopen]:
        """All that match, newest first, read in batches; what changes meanwhile may show or not."""
        async for ids in self.ids(wanted):
            for record in await self._reads.reopens(ids):
                if record is not None:
                    yield record

    async def ids(self, wanted: Wanted) -> AsyncIterator[list[str]]:
        """The ids of all that match, newest first, in batches."""
        cursor: str | None = None
        while True:
            cursor, ids = await self._pick(wanted, cursor, BATCH)
            yield ids
            if cursor is None:
                return

    async def count(self, wanted: Wanted) -> int:
        """How many match; at once where nothing but status, source or group is asked for."""
        if not (wanted.prefix or wanted.since_ms or wanted.until_ms or _is_checked(wanted)):
            return await self._reads.cardinality(*await self._sets(wanted))
        return sum([len(ids) async for ids in self.ids(wanted)])

    async def _pick(self, wanted: Wanted, cursor: str | None, limit: int) -> tuple[str | None, list[str]]:
        sets, trees = ([], []) if wanted.prefix else await self._sets(wanted)
        asked = {
            "sets": sets,
            "trees": trees,
            "prefix": wanted.prefix or "",
            "status": wanted.status.value if wanted.status else "",
            "source": wanted.source or "",
            "reason": wanted.reason or "",
            "since_ms": "" if wanted.since_ms is None else str(wanted.since_ms),
            "until_ms": "" if wanted.until_ms is None else str(wanted.until_ms),
            "checked": _is_checked(wanted) or bool(wanted.prefix and _is_narrowed(wanted)),
            "before": cursor or "",
            "limit": limit,
            "most": MOST_MATCHES if wanted.prefix else MOST_LOOKED_AT,
        }
        following, *ids = await self._scripts.run("pick", packed(asked))
        return following or None, ids

    async def _sets(self, wanted: Wanted) -> tuple[list[str], list[str]]:
        """The keys of the sorted sets, and the names of the archive's trees, that hold what is wanted."""
        if wanted.group:
            return [f"{P}failure:{wanted.group}"], []
        sources = [wanted.source] if wanted.source else await self._reads.sources()
        statuses = [wanted.status] if wanted.status else list(Status)
        done = [status for status in statuses if status in DONE]
        return (
            [f"{P}is:{source}:{status.value}" for source in sources for status in statuses],
            [f"done:{source}:{status.value}" for source in sources for status in done],
        )


def _is_checked(wanted: Wanted) -> bool:
    """Whether the sets alone do not tell which reopens are meant, so that each has to be looked at."""
    return bool(wanted.reason or (wanted.group and (wanted.status or wanted.source)))


def _is_narrowed(wanted: Wanted) -> bool:
    """Whether of what a search finds something may not be meant."""
    return bool(wanted.status or wanted.source or wanted.since_ms or wanted.until_ms)
