"""One asyncio loop on a thread of its own, in which many bells are answered at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from service.domain.errors import LedgerUnavailable
from service.logs import get_logger
from service.policy import terms
from service.tasks import cancelled
from workers import leaving as steps
from workers.feeder import Feeder
from workers.keeper import Keeper
from workers.ringing import Ringing
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.queue import Lane
    from workers.leaving import Leaving
    from workers.runtime import Runtime

START_LIMIT_SECONDS = 30.0
SIGN_OFF_SECONDS = 1.0

Done = TypeVar("Done")

log = get_logger(__name__)


class Engine:
    """Answers bells, keeps leases and sweeps. Made and stopped by the main thread."""

    def __init__(self, open_runtime: Callable[[], Runtime], *, name: str) -> None:
        self._open_runtime = open_runtime
        self._name = name
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._runtime: Runtime
        self._ringing: Ringing
        self._answers: set[asyncio.Task[int]] = set()
        self._stopped: asyncio.Event

    def start(self) -> None:
        """Start, and wait until it is ready. Raises what kept it from starting."""
        self._thread.start()
        self._ready.result(START_LIMIT_SECONDS)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, name: str, bell: str, lane: Lane, *, limit_seconds: float) -> Future[int]:
        """Answer a bell; the future ends when nothing of its thread is due, with how many were worked."""
        return asyncio.run_coroutine_threadsafe(self._answer(name, bell, lane, limit_seconds), self._loop)

    @property
    def connection(self) -> Redis:
        """To Redis, for what runs in its loop."""
        return self._runtime.connection

    def do(self, doing: Coroutine[Any, Any, Done]) -> Done:
        """Have it done in the loop, and wait for it: it has to come to an end by itself."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    def take_no_more(self, last_begin_seconds: float) -> None:
        """Begin nothing new, and no call of what is in work after so long. Safe in a signal handler."""
        self._ringing.take_no_more()
        self._runtime.care.leave(last_begin_seconds)

    def drain(self, leaving: Leaving) -> None:
        """Let what is in flight finish, hand back the rest, and end, each in its time."""
        if self.is_alive:
            asyncio.run_coroutine_threadsafe(self._drain(leaving), self._loop)
            self._thread.join(leaving.left(steps.ENGINE_ENDS_SECONDS))

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._live())
        except Exception:
            log.exception("engine.fault")

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        try:
            self._runtime = self._open_runtime()
        except Exception as error:  # noqa: BLE001 - told to the main thread, whatever it is
            self._ready.set_exception(error)
            return
        runtime = self._runtime
        self._ringing = Ringing(runtime)
        lease_ms = runtime.policy.lease_ms
        sweeper = Sweeper(runtime.ledger, runtime.clock, name=self._name, lease_ms=lease_ms)
        keeper = Keeper(runtime.ledger, runtime.clock, name=self._name, terms=terms(runtime.settings))
        async with asyncio.TaskGroup() as tasks:
            telling = runtime.keep_telling()
            feeder = Feeder(runtime.ledger)
            running = (sweeper.run(), feeder.run(), keeper.run(), self._ringing.keep_leases(), telling)
            beside = [tasks.create_task(each) for each in running]
            self._ready.set_result(None)
            await self._stopped.wait()
            await cancelled(beside)
        try:
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await runtime.ledger.sweeps.leave(self._name)
                await runtime.tell()
        except (LedgerUnavailable, TimeoutError):
            log.warning("sweeper.not_signed_off")
        await runtime.aclose()

    async def _answer(self, name: str, bell: str, lane: Lane, limit_seconds: float) -> int:
        me: Any = asyncio.current_task()
        self._answers.add(me)
        try:
            async with asyncio.timeout(limit_seconds):
                return await self._ringing.answer(name, bell, lane)
        finally:
            self._answers.discard(me)

    async def _drain(self, leaving: Leaving) -> None:
        self._runtime.care.give_up_places()
        if self._answers:
            await asyncio.wait(self._answers, timeout=leaving.left(steps.CALLS_END_SECONDS))
        if self._answers:
            log.info("worker.hands_back", count=len(self._answers))
            with suppress(TimeoutError):
                async with asyncio.timeout(leaving.left(steps.HANDED_BACK_SECONDS)):
                    await cancelled(self._answers)
        self._stopped.set()
