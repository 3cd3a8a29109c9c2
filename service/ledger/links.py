"""The link table: which contact and thread a ticket belongs to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A ticket's contact and thread in Acquire."""

    contact_id: int
    thread_id: int
