"""The detour: while Redis is away, deliveries go to the spool, and from there to Redis, in order of receipt.

Once one delivery went to the spool, all go behind it until the spool is empty. Whether Redis is back is found
by admitting the first that waits. Admission is idempotent: one that Redis has already, since only its answer
was lost, counts once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from redis.exceptions import ResponseError

from service.domain.errors import LedgerUnavailable, NotAdmitted, Overloaded
from service.intake.line import Line
from service.logs import get_logger
from service.tasks import cancelled

if TYPE_CHECKING:
    from service.clock import Clock
    from service.intake.line import Waiting
    from service.intake.spool import Spool, Spooled, SpoolState
    from service.ledger.admission import Admitted
    from service.ledger.admissions import Admissions

WRITE_SECONDS = 1.0
"""A disk that takes longer hangs; with what was spent on Redis, an answer still comes within 2 s."""
WRITTEN_TOGETHER = 256
DRAIN_SECONDS = 1.5
AGAIN_SECONDS = 0.25
"""How soon Redis is asked again while it is away."""
DRAINED_TOGETHER = 64
TOGETHER_BYTES = 1024 * 1024
TIDY_SECONDS = 60.0

Answer = TypeVar("Answer")

log = get_logger(__name__)


class Detour:
    """For one event loop. A thread of its own uses the spool; what arrives meanwhile is synced together."""

    def __init__(self, spool: Spool, admissions: Admissions, clock: Clock) -> None:
        self._spool = spool
        self._admissions = admissions
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._line = Line()
        self._writing: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None
        self._is_stuck = False
        self._is_unreadable = False

    @property
    def state(self) -> SpoolState:
        return self._spool.state

    @property
    def is_taken(self) -> bool:
        """Something waits in the spool, so whatever comes has to go behind it."""
        return self._draining is not None

    def start(self) -> None:
        """Admit what an earlier run left."""
        self._tending = asyncio.create_task(self._tend())
        if self.state.deliveries:
            self._use("left by an earlier run")

    async def stop(self) -> None:
        """What Redis has not by now stays on the disk for the next run."""
        if self._writing is not None:
            await self._writing
        await cancelled(filter(None, (self._tending, self._draining)))
        self._thread.shutdown()
        self._spool.close()

    def take(self, deliveries: Sequence[Waiting], away: LedgerUnavailable | None = None) -> None:
        """Have them written, in this order, and answered then. `away` is why Redis does not have them."""
        for waiting in deliveries:
            if self._is_stuck:
                waiting.resolve(LedgerUnavailable("Redis is away, and the spool's disk hangs"))
            elif self._is_unreadable:
                # What is put behind it would be answered, and not reach Redis either.
                waiting.resolve(LedgerUnavailable("what waits in the spool cannot be taken off it"))
            elif self.state.bytes + self._line.bytes + len(waiting.packed) > self.state.limit_bytes:
                waiting.resolve(LedgerUnavailable("Redis is away, and the spool is full"))
            else:
                self._join(waiting)
        if self._writing is not None:
            self._use(str(away))

    def _use(self, why: str) -> None:
        if self._draining is None:
            log.warning("spool.used", reason=why, deliveries=self.state.deliveries)
            self._draining = asyncio.create_task(self._drain())

    def _join(self, waiting: Waiting) -> None:
        # How long it waited for Redis tells nothing of the disk.
        waiting.since = self._clock.monotonic()
        try:
            self._line.join(waiting)
        except Overloaded as overloaded:
            waiting.resolve(overloaded)
            return
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_line())

    async def _write_line(self) -> None:
        try:
            while self._line:
                await self._write(self._line.first(WRITTEN_TOGETHER, TOGETHER_BYTES))
        finally:
            self._writing = None

    async def _write(self, batch: list[Waiting]) -> None:
        rows = [(each.admissions, each.packed, each.received_ms) for each in batch]
        written = asyncio.ensure_future(self._in_thread(self._spool.write, rows))
        answers: Sequence[list[Admitted] | LedgerUnavailable]
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                answers = await asyncio.shield(written)
        except TimeoutError:
            await self._wait_for_disk(batch, written)
            return
        except (sqlite3.Error, OSError) as error:
            log.error("spool.cannot_write", error=str(error))  # noqa: TRY400 - the words say it all
            away = LedgerUnavailable(f"Redis is away, and the spool cannot be written: {error}")
            answers = [away] * len(batch)
        except Exception as fault:
            log.exception("spool.fault")
            answers = [LedgerUnavailable(f"a fault of ours: {type(fault).__name__}")] * len(batch)
        for each, answer in zip(batch, answers, strict=True):
            each.resolve(answer)

    async def _wait_for_disk(self, batch: list[Waiting], written: asyncio.Future[Any]) -> None:
        """Nobody waits for a disk that hangs. What it takes in the end will come again, and counts once."""
        log.error("spool.disk_hangs", seconds=WRITE_SECONDS)
        self._is_stuck = True
        for each in [*batch, *self._line.all()]:
            each.resolve(LedgerUnavailable("Redis is away, and the spool's disk hangs"))
        try:
            await written
        except (sqlite3.Error, OSError):
            pass  # nobody waits for it any more
        except Exception:
            log.exception("spool.fault")
        self._is_stuck = False

    async def _drain(self) -> None:
        drained, together = 0, 1
        try:
            while self.state.deliveries or self._writing is not None:
                if not self.state.deliveries and self._writing is not None:
                    await asyncio.wait({self._writing})
                    continue
                try:
                    drained += await self._admit_first(together)
                    together, self._is_unreadable = DRAINED_TOGETHER, False
                except (LedgerUnavailable, TimeoutError):
                    together, self._is_unreadable = 1, False
                    await asyncio.sleep(AGAIN_SECONDS)
                except (sqlite3.Error, OSError) as error:
                    log.error("spool.cannot_read", error=str(error))  # noqa: TRY400 - as above
                    together, self._is_unreadable = 1, True
                    await asyncio.sleep(AGAIN_SECONDS)
                except Exception:
                    # What waits keeps its place: nothing may pass it, and it is tried again.
                    log.exception("spool.fault")
                    together = 1
                    await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self._draining, self._is_unreadable = None, False
        log.info("spool.drained", deliveries=drained, refused=self.state.refused)

    async def _admit_first(self, together: int) -> int:
        """Admit those that wait longest; how many. Raises where Redis or the disk is away."""
        batch = await self._in_thread(self._spool.first, together, TOGETHER_BYTES)
        outcomes = await self._asked(batch)
        refused = [
            (each, str(outcome))
            for each, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, NotAdmitted)
        ]
        if refused:
            log.error("spool.refused", deliveries=len(refused), error=refused[0][1])
        await self._in_thread(self._spool.settle, batch, refused)
        return len(batch) - len(refused)

    async def _asked(self, batch: Sequence[Spooled]) -> list[list[Admitted] | NotAdmitted]:
        now_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                together = await self._admissions.admit_together(
                    [each.packed for each in batch],
                    ages_ms=[max(0, now_ms - each.received_ms) for each in batch],
                )
                return await together.confirmed()
        except ResponseError as refused:
            if len(batch) == 1:
                return [NotAdmitted(f"Redis refuses this delivery: {refused}")]
        return [outcome for each in batch for outcome in await self._asked([each])]

    async def _tend(self) -> None:
        """Ask again for what Redis refused, and the disk to let go of what Redis has: whoever reads the log
        may have mended it.
        """
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            if self._spool.has_more_to_do and not self.is_taken:
                with suppress(sqlite3.Error, OSError):
                    await self._in_thread(self._spool.tidy)
                if self.state.deliveries:
                    self._use("what Redis refused is asked for again")

    async def _in_thread(self, act: Callable[..., Answer], *arguments: object) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)
