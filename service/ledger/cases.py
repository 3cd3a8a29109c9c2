"""What Acquire tells of its cases by itself: their threads are kept fresh by it, and what waits is woken.

Hints only: nothing is decided by them, since every decision looks in Acquire first. One that is lost costs
the wait that there would have been without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.decide import canonical_id

if TYPE_CHECKING:
    from service.domain.events import Event
    from service.ledger.scripts import Scripts

LONGEST_STATUS = 20


@dataclass(frozen=True, slots=True)
class CaseNews:
    """A case has this status now."""

    case_id: int
    status: str


def news_of(event: Event) -> CaseNews | None:
    """The news in an event of Acquire's, None where it names no case or no status."""
    case_id, status = canonical_id(event.ticket_id), (event.ticket_status or "").lower()
    if case_id is None or not (status.isascii() and status.isalpha() and len(status) <= LONGEST_STATUS):
        return None
    return CaseNews(case_id, status)


class Cases:
    """Notes news of cases. `ring` wakes the thread of a reopen."""

    def __init__(self, scripts: Scripts, ring: Callable[[str], Awaitable[bool]]) -> None:
        self._scripts = scripts
        self._ring = ring

    async def note(self, batch: Sequence[CaseNews]) -> None:
        """Raises `LedgerUnavailable` where Redis is away."""
        for news in batch:
            _, head = await self._scripts.run("case", str(news.case_id), news.status)
            if head:
                await self._ring(head)
