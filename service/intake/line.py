"""Deliveries that wait for their answer: in a bounded line, so that overload is shed at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.errors import Overloaded

if TYPE_CHECKING:
    from asyncio import Future

    from service.domain.errors import LedgerUnavailable
    from service.ledger.admission import Admission, Admitted

MOST_WAITING = 4_096
MOST_WAITING_BYTES = 32 * 1024 * 1024
LONGEST_WAIT_SECONDS = 0.5
"""Where the first in line waits longer, nobody joins it: whoever serves it does not keep up."""


@dataclass(slots=True)
class Waiting:
    """One delivery: what it leaves, the same packed, and since when (unix ms; monotonic seconds)."""

    admissions: Sequence[Admission]
    packed: bytes
    received_ms: int
    since: float
    answer: Future[list[Admitted]]

    def resolve(self, outcome: list[Admitted] | LedgerUnavailable) -> None:
        """Give its answer, where somebody still waits for it."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Line:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def since(self) -> float:
        """Since when the first waits (monotonic seconds), where there is one."""
        return self._waiting[0].since

    def join(self, newcomer: Waiting) -> None:
        """Stand behind the others. Raises `Overloaded` where too much waits already."""
        waiting = self._waiting
        if waiting and (
            len(waiting) >= MOST_WAITING
            or self.bytes + len(newcomer.packed) > MOST_WAITING_BYTES
            or newcomer.since - waiting[0].since > LONGEST_WAIT_SECONDS
        ):
            raise Overloaded(f"{len(waiting)} deliveries wait already")
        waiting.append(newcomer)
        self.bytes += len(newcomer.packed)

    def first(self, most: int, most_bytes: int) -> list[Waiting]:
        """Take so many from the front, at least one: a single delivery may be larger."""
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and len(batch) < most and size < most_bytes:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].packed)
        self.bytes -= sum(len(each.packed) for each in batch)
        return batch

    def all(self) -> list[Waiting]:
        """Take all."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self.bytes = 0
        return waiting
