"""The link table: which contact and thread a ticket belongs to, and what waits for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

LINKS_KEY = "reopener:links"

WAITS_FOR_LINK = ("contact_unknown", "thread_unknown", "contact_ambiguous", "thread_not_found")
"""Reasons for which a held reopen goes on as soon as its ticket is linked."""
RESOLVABLE = (
    *WAITS_FOR_LINK,
    "author_unknown",
    "drift",
    "event_id_blank",
    "maybe_duplicate",
    "outcome_unknown",
    "poison",
)
"""Reasons for which a held reopen goes on once a person has said so of this very one."""


@dataclass(frozen=True, slots=True)
class Link:
    """A ticket's contact and thread in Acquire."""

    contact_id: int
    thread_id: int


async def link_of(connection: Redis, source: str, ticket_id: str) -> Link | None:
    """A ticket's link, where it has one. Raises `LedgerUnavailable`."""
    value = await ask(connection.hget(LINKS_KEY, f"{source}\0{ticket_id}"))
    if value is None:
        return None
    contact_id, thread_id = value.decode().split(":")
    return Link(int(contact_id), int(thread_id))
