"""Group commit: deliveries that arrive while Redis is asked are admitted together with the next question.

One question at a time keeps the order of receipt. Whoever arrives while none is asked, is asked for at once.
What waits is bounded in number, bytes and time; beyond that deliveries are shed at once, not by time-outs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable, NotAdmitted, Overloaded
from service.ledger.admission import packed_delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.clock import Clock
    from service.ledger.admission import Admission, Admissions, Admitted

ADMIT_SECONDS = 1.5
"""An answer must come within 2 s also while Redis hangs."""
MOST_WAITING = 4_096
MOST_WAITING_BYTES = 32 * 1024 * 1024
LONGEST_WAIT_SECONDS = 0.5
"""Where the first in line waits longer, nobody joins it: Redis does not keep up."""
TOGETHER = 64
TOGETHER_BYTES = 1024 * 1024
"""So much is asked at once (a single delivery may be larger): others use this Redis too."""


@dataclass(slots=True)
class _Waiting:
    packed: bytes
    since: float
    answer: asyncio.Future[list[Admitted]]


class GroupCommit:
    """Admits deliveries, each as a whole or not at all. For one event loop."""

    def __init__(self, admissions: Admissions, clock: Clock) -> None:
        self._admissions = admissions
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._asking: asyncio.Task[None] | None = None

    async def admit(self, admissions: Sequence[Admission]) -> list[Admitted]:
        """What became of one delivery's events. Raises `LedgerUnavailable` where they are not known to be
        stored, `Overloaded` at once where too much waits already.
        """
        packed, now = packed_delivery(admissions), self._clock.monotonic()
        self._shed(len(packed), now)
        waiting = _Waiting(packed, now, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += len(packed)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_until_done())
        return await waiting.answer

    def _shed(self, more_bytes: int, now: float) -> None:
        waiting = self._waiting
        if waiting and (
            len(waiting) >= MOST_WAITING
            or self._waiting_bytes + more_bytes > MOST_WAITING_BYTES
            or now - waiting[0].since > LONGEST_WAIT_SECONDS
        ):
            raise Overloaded(f"{len(waiting)} deliveries wait for Redis already")

    async def _ask_until_done(self) -> None:
        try:
            while self._waiting:
                await self._ask(self._taken())
        finally:
            self._asking = None

    async def _ask(self, batch: list[_Waiting]) -> None:
        left_seconds = batch[0].since + ADMIT_SECONDS - self._clock.monotonic()
        try:
            async with asyncio.timeout(left_seconds):
                outcomes = await self._admissions.admit_together([each.packed for each in batch])
        except TimeoutError:
            away = LedgerUnavailable(f"Redis did not confirm within {ADMIT_SECONDS} s")
            self._fail([*batch, *self._all()], away)
        except LedgerUnavailable as away:
            # Those behind it would learn the same, later.
            self._fail([*batch, *self._all()], away)
        except BaseException as fault:
            self._fail([*batch, *self._all()], LedgerUnavailable(f"a fault of ours: {type(fault).__name__}"))
            raise
        else:
            for each, outcome in zip(batch, outcomes, strict=True):
                if each.answer.done():
                    continue
                if isinstance(outcome, NotAdmitted):
                    each.answer.set_exception(outcome)
                else:
                    each.answer.set_result(outcome)

    def _taken(self) -> list[_Waiting]:
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and len(batch) < TOGETHER and size < TOGETHER_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].packed)
        self._waiting_bytes -= sum(len(each.packed) for each in batch)
        return batch

    def _all(self) -> list[_Waiting]:
        waiting = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return waiting

    def _fail(self, batch: list[_Waiting], error: LedgerUnavailable) -> None:
        for each in batch:
            if not each.answer.done():
                each.answer.set_exception(error)
