"""How many bells may be in work, and of which lane: new replies always find room beside a backlog."""

from __future__ import annotations

import threading
from dataclasses import dataclass

KEPT_SHARE = 0.25
"""Of all slots, so many are kept from the backlog for new replies, where there are two or more."""
LEAST_FOR_BACKLOG = 8
"""From so many slots on, new replies leave one to the backlog, so that it is never starved."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many bells may be popped now: of each lane, and of both together."""

    live: int
    backlog: int
    both: int


class Slots:
    """Taken by RQ's loop alone; given back by any thread."""

    def __init__(self, concurrency: int) -> None:
        kept = max(1, round(KEPT_SHARE * concurrency)) if concurrency > 1 else 0
        self._concurrency = concurrency
        self._most_of_backlog = concurrency - kept
        self._live = self._backlog = 0
        self._given_back = threading.Condition()

    def wait(self, seconds: float) -> bool:
        """Wait until one is free; False where none was in time."""
        with self._given_back:
            return self._given_back.wait_for(lambda: self._free() > 0, seconds)

    def room(self, *, backlog_waits: bool) -> Room:
        with self._given_back:
            free = self._free()
            left = backlog_waits and not self._backlog and self._concurrency >= LEAST_FOR_BACKLOG
            return Room(free - left, min(free, self._most_of_backlog - self._backlog), free)

    def take(self, live: int, backlog: int) -> None:
        with self._given_back:
            self._live, self._backlog = self._live + live, self._backlog + backlog

    def give_back(self, live: int, backlog: int) -> None:
        with self._given_back:
            self._live, self._backlog = self._live - live, self._backlog - backlog
            self._given_back.notify()

    def _free(self) -> int:
        return self._concurrency - self._live - self._backlog
