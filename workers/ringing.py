"""Answering bells: claim the thread that rang, work it, and keep its lease meanwhile (rules 2, 11)."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from service.domain.errors import Fenced, LedgerUnavailable
from service.domain.ports import Claimed
from service.logs import get_logger
from workers.reopen import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.domain.ports import Lease
    from service.queue import Lane
    from workers.head import Tools
    from workers.runtime import Runtime

ALONE_CLAIMS = 3
"""A claim that ended its worker so often runs with nothing beside it, so that only it can be to blame."""
RENEWALS_A_LEASE = 4
MOST_OWED = 1_000
"""So many leases are handed back later, where Redis was away."""

log = get_logger(__name__)


class Ringing:
    """The bells that one process answers, and the leases it holds for them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._held: dict[str, Lease] = {}
        self._owed: deque[Lease] = deque(maxlen=MOST_OWED)
        self._alone = _Alone()
        self._goes_on = True

    def take_no_more(self) -> None:
        """What is in work comes to its end; what would follow it in its thread is handed back."""
        self._goes_on = False

    async def answer(self, name: str, bell: str | None, lane: Lane = "live") -> int:
        """Work the thread until nothing of it is due; returns how many reopens were worked.

        A lost lease and an absent Redis are no errors of the bell's: somebody claims the thread again. Where
        it is cancelled, what it holds is handed back.
        """
        tools = self._runtime.tools(lane)
        async with self._alone.beside_others():
            claimed = await self._claimed(name, bell, tools)
            if claimed is None:
                return 0
            if claimed.reopen.claims < ALONE_CLAIMS:
                return await self._work(claimed, tools)
            # It is not to blame for what ends this worker while it waits for its turn.
            await self._give_back(claimed.lease)
            tools.gate.unused()
        return await self._answer_alone(claimed.lease.box, tools)

    async def _answer_alone(self, box: str, tools: Tools) -> int:
        async with self._alone.nothing_beside():
            claimed = await self._claimed(box, None, tools)
            if claimed is None:
                return 0
            log.warning("reopen.runs_alone", reopen_id=claimed.reopen.id, claims=claimed.reopen.claims)
            return await self._work(claimed, tools)

    async def _claimed(self, name: str, bell: str | None, tools: Tools) -> Claimed | None:
        wanted, claimed = tools.gate.wanted(), None
        try:
            found = await tools.ledger.claim(name, bell=bell, token=uuid4().hex, wanted=wanted)
            claimed = found if isinstance(found, Claimed) else None
        except LedgerUnavailable as away:
            log.warning("bell.redis_away", name=name, error=str(away))
        finally:
            if claimed is None:
                tools.gate.unused()
        return claimed

    async def keep_leases(self) -> None:
        """Renew what is held, for as long as this runs."""
        leases = self._runtime.ledger.leases
        length_seconds = self._runtime.policy.lease_ms / 1000
        lost_before: set[str] = set()
        while True:
            await asyncio.sleep(length_seconds / RENEWALS_A_LEASE)
            try:
                lost = await leases.renew(list(self._held.values()))
                await self._hand_back_owed()
            except LedgerUnavailable as away:
                log.warning("lease.not_renewed", error=str(away), count=len(self._held))
                continue
            except Exception:
                log.exception("lease.fault", count=len(self._held))
                continue
            # What came to its end while this was asked is not held any more either: it is known here by now.
            for box in lost & lost_before & set(self._held):
                log.warning("lease.lost", box=box)
            lost_before = lost

    async def _work(self, claimed: Claimed, tools: Tools) -> int:
        lease = claimed.lease
        self._held[lease.box] = lease
        try:
            worked = await work(claimed, tools, goes_on=lambda: self._goes_on)
            if not self._goes_on:
                await self._runtime.ledger.leases.release(lease)
        except Fenced:
            log.warning("lease.fenced", box=lease.box, reopen_id=claimed.reopen.id)
            await self._give_back(lease)
        except LedgerUnavailable as away:
            log.warning("reopen.redis_away", box=lease.box, reopen_id=claimed.reopen.id, error=str(away))
            await self._give_back(lease)
        except BaseException as error:
            await self._hand_back(lease, error)
            raise
        else:
            return worked
        finally:
            tools.gate.unused()
            self._held.pop(lease.box, None)
        return 0

    async def _hand_back(self, lease: Lease, error: BaseException) -> None:
        """Our own shutdown, or a fault of ours: the thread is free for others at once.

        A fault keeps its claim counted, so that a reopen that always fails comes to its end as poison.
        """
        if not isinstance(error, asyncio.CancelledError):
            log.error("reopen.fault", box=lease.box, error=type(error).__name__)
            return
        await self._give_back(lease)

    async def _hand_back_owed(self) -> None:
        while self._owed:
            await self._runtime.ledger.leases.release(self._owed[0])
            self._owed.popleft()

    async def _give_back(self, lease: Lease) -> None:
        """The claim has ended, though not by a write: the reopen is not to blame for it."""
        try:
            await asyncio.shield(self._runtime.ledger.leases.release(lease))
        except LedgerUnavailable:
            log.warning("lease.not_handed_back", box=lease.box)
            self._owed.append(lease)


class _Alone:
    """Many beside each other, or one with nothing beside it."""

    def __init__(self) -> None:
        self._beside = 0
        self._nobody_alone = asyncio.Event()
        self._nobody_alone.set()
        self._nothing_beside = asyncio.Event()
        self._nothing_beside.set()

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        while not self._nobody_alone.is_set():
            await self._nobody_alone.wait()
        self._beside += 1
        self._nothing_beside.clear()
        try:
            yield
        finally:
            self._beside -= 1
            if not self._beside:
                self._nothing_beside.set()

    @asynccontextmanager
    async def nothing_beside(self) -> AsyncIterator[None]:
        while not self._nobody_alone.is_set():
            await self._nobody_alone.wait()
        self._nobody_alone.clear()
        try:
            await self._nothing_beside.wait()
            yield
        finally:
            self._nobody_alone.set()
