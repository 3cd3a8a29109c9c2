"""The link table: which contact and thread a ticket belongs to, and what waits for that."""

from __future__ import annotations

from dataclasses import dataclass

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
