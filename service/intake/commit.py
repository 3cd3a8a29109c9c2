"""Group commit: deliveries that arrive while Redis is asked are admitted together with the next question.

One question at a time keeps the order of receipt. Whoever arrives while none is asked, is asked for at once.
Where Redis does not confirm, they fail together, or go to the spool together where there is one.
Where replicas or disks have to confirm too, answers wait for that, but the next question does not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable, NotConfirmed
from service.intake.line import Line, Waiting
from service.ledger.admission import packed_delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.clock import Clock
    from service.domain.errors import NotAdmitted
    from service.intake.detour import Detour
    from service.ledger.admission import Admission, Admitted, Together
    from service.ledger.admissions import Admissions

ADMIT_SECONDS = 1.5
"""An answer must come within 2 s also while Redis hangs."""
CONFIRM_SECONDS = 1.9
"""The same while replicas and disks are waited for, with what was spent before that."""
PATIENCE_SECONDS = 0.25
"""So long Redis has where a delivery can go to the spool instead."""
TOGETHER = 16
TOGETHER_BYTES = 1024 * 1024
"""So much is asked at once (a single delivery may be larger): others use this Redis too, and who is served in
the meantime must not run out while many are asked for.
"""
MOST_CONFIRMING = 32
"""So many batches wait for replicas or disks at a time, each on a connection of its own."""


class GroupCommit:
    """Admits deliveries, each as a whole or not at all. For one event loop."""

    def __init__(self, admissions: Admissions, clock: Clock, detour: Detour | None = None) -> None:
        self._admissions = admissions
        self._clock = clock
        self._detour = detour
        self._patience_seconds = PATIENCE_SECONDS if detour else ADMIT_SECONDS
        self._line = Line()
        self._asking: asyncio.Task[None] | None = None
        self._confirming: set[asyncio.Task[None]] = set()

    async def admit(self, admissions: Sequence[Admission]) -> list[Admitted]:
        """What became of one delivery's events. Raises `LedgerUnavailable` where they are not known to be
        stored, `Overloaded` at once where too much waits already.
        """
        waiting = Waiting(
            admissions,
            packed_delivery(admissions),
            self._clock.now_ms(),
            self._clock.monotonic(),
            asyncio.get_running_loop().create_future(),
        )
        if self._detour is not None and self._detour.is_taken:
            self._detour.take([waiting])
        else:
            self._line.join(waiting)
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask_until_done())
        return await waiting.answer

    async def _ask_until_done(self) -> None:
        try:
            while self._line:
                if len(self._confirming) < MOST_CONFIRMING or await self._one_is_confirmed():
                    await self._ask(self._line.first(TOGETHER, TOGETHER_BYTES))
                else:
                    self._turn_away([], NotConfirmed("what was written before is not confirmed yet"))
        finally:
            self._asking = None

    async def _one_is_confirmed(self) -> bool:
        """Whether the next batch may be asked for before the first in line has waited for too long."""
        left_seconds = self._left(self._line.since, self._patience_seconds)
        ended, _ = await asyncio.wait(
            self._confirming, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        return bool(ended)

    async def _ask(self, batch: list[Waiting]) -> None:
        try:
            async with asyncio.timeout(self._left(batch[0].since, self._patience_seconds)):
                together = await self._admissions.admit_together([each.packed for each in batch])
        except TimeoutError:
            away = LedgerUnavailable(f"Redis did not confirm within {self._patience_seconds} s")
            self._turn_away(batch, away)
        except LedgerUnavailable as away:
            self._turn_away(batch, away)
        except BaseException as fault:
            self._turn_away(batch, LedgerUnavailable(f"a fault of ours: {type(fault).__name__}"))
            raise
        else:
            if together.confirm is None:
                _tell(batch, together.outcomes)
                return
            confirming = asyncio.create_task(self._tell_once_confirmed(batch, together))
            self._confirming.add(confirming)
            confirming.add_done_callback(self._confirming.discard)

    async def _tell_once_confirmed(self, batch: list[Waiting], together: Together) -> None:
        try:
            async with asyncio.timeout(self._left(batch[0].since, CONFIRM_SECONDS)):
                outcomes = await together.confirmed()
            _tell(batch, outcomes)
        except TimeoutError:
            self._give_up(batch, NotConfirmed(f"written, but not confirmed within {CONFIRM_SECONDS} s"))
        except LedgerUnavailable as unconfirmed:
            self._give_up(batch, unconfirmed)
        except BaseException as fault:
            self._give_up(batch, LedgerUnavailable(f"a fault of ours: {type(fault).__name__}"))
            raise

    def _left(self, since: float, most_seconds: float) -> float:
        return max(0.0, since + most_seconds - self._clock.monotonic())

    def _turn_away(self, batch: list[Waiting], away: LedgerUnavailable) -> None:
        """Those behind the batch would learn the same, later."""
        self._give_up([*batch, *self._line.all()], away)

    def _give_up(self, batch: list[Waiting], away: LedgerUnavailable) -> None:
        if self._detour is not None:
            self._detour.take(batch, away)
            return
        for each in batch:
            each.resolve(away)


def _tell(batch: list[Waiting], outcomes: Sequence[list[Admitted] | NotAdmitted]) -> None:
    for each, outcome in zip(batch, outcomes, strict=True):
        each.resolve(outcome)
