"""A receiver's way in over a spool, with a way to Redis that can be cut: for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio
from redis.exceptions import ResponseError

from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable
from service.intake.commit import GroupCommit
from service.intake.detour import Detour
from service.intake.spool import Spool
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.admissions import Admissions

MB = 1024 * 1024


class Flaky:
    """The way to the ledger, that can be cut: before Redis acts, or before its answer arrives; or refused."""

    def __init__(self, admissions: Admissions) -> None:
        self.admissions = admissions
        self.is_cut: Callable[[], bool] = lambda: False
        self.answer_is_lost: Callable[[], bool] = lambda: False
        self.is_refused: Callable[[Sequence[bytes]], bool] = lambda _: False

    async def admit_together(self, deliveries, *, ages_ms=()):
        if self.is_cut():
            raise LedgerUnavailable("cut before")
        if self.is_refused(deliveries):
            raise ResponseError("OOM command not allowed")
        outcomes = await self.admissions.admit_together(deliveries, ages_ms=ages_ms)
        if self.answer_is_lost():
            raise LedgerUnavailable("cut after")
        return outcomes


class Receiving:
    """A receiver's way in, over a spool of its own."""

    def __init__(self, ledger: Ledger, folder: Path, *, limit_bytes: int = 8 * MB) -> None:
        self.way = Flaky(ledger.admissions)
        self.spool = Spool(folder, limit_bytes=limit_bytes)
        self.detour = Detour(self.spool, self.way, SystemClock())
        self.commit = GroupCommit(self.way, SystemClock(), self.detour)
        self.detour.start()

    async def drained(self) -> None:
        await self.until(lambda: not self.detour.is_taken)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - the product has no need to tell
                await asyncio.sleep(0.001)


@asynccontextmanager
async def receiving(ledger: Ledger, folder: Path, **how: int) -> AsyncIterator[Receiving]:
    receiver = Receiving(ledger, folder, **how)
    try:
        yield receiver
    finally:
        await receiver.detour.stop()


async def waiting_in(connection: redis.asyncio.Redis, box: str = "5") -> list[str]:
    """Event ids of an inbox, in order."""
    ids = await connection.zrange(f"reopener:inbox:{box}", 0, -1)
    return [(await connection.hget(f"reopener:r:{each.decode()}", "event_id")).decode() for each in ids]


async def tried_one(receiver: Receiving, admission: Admission) -> str:
    """Its verdict, or why it is not known to be stored."""
    try:
        return (await receiver.commit.admit([admission]))[0].verdict
    except LedgerUnavailable as away:
        return str(away)
