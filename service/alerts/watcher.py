"""Beside every receiver: one process at a time looks at the account and notes what began and what is over;
whichever comes first sends it.

A message is queued in the same script that notes its transition, so neither is there without the other. It is
taken for half a minute, and dropped when it was sent: a sender that dies is followed by another, with the
same id, and nobody tries for ever.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from service.alerts.conditions import MOST_DUPLICATES, conditions
from service.alerts.sending import send
from service.alerts.transitions import Notice, known_from, known_text, step
from service.domain.errors import LedgerUnavailable
from service.ledger.alerts import Sending
from service.logs import get_logger
from service.tasks import cancelled
from service.watch import look

if TYPE_CHECKING:
    from service.clock import Clock
    from service.intake.spool import SpoolOf
    from service.ledger import Ledger
    from service.ledger.alerts import Taken
    from service.settings import AlertSettings, Channel

TICK_SECONDS = 5.0
TURN_MS = 4_500
FIRST_AGAIN_MS = 5_000
"""Doubled with each try."""

Send = Callable[["Channel", Notice], Awaitable["str | None"]]

log = get_logger(__name__)


class Watcher:
    """Does nothing where no channel is set."""

    def __init__(
        self,
        ledger: Ledger,
        settings: AlertSettings,
        clock: Clock,
        *,
        spool: SpoolOf = lambda: None,
        sending: Send | None = None,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._channels = settings.channels
        self._clock = clock
        self._spool = spool
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._send = sending or partial(send, dashboard_url=settings.dashboard_url)
        self._tick_seconds = tick_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    def start(self) -> None:
        if not self._channels:
            return
        pause = partial(asyncio.sleep, self._tick_seconds)
        self._tasks = [asyncio.create_task(self._keep(self.evaluate, pause))]
        for channel in self._channels:
            act = partial(self.deliver, channel)
            self._tasks.append(asyncio.create_task(self._keep(act, self._news_or_tick)))

    async def stop(self) -> None:
        """A message that is under way may come again, from whoever is next: it has its id."""
        await cancelled(self._tasks)

    async def evaluate(self) -> None:
        """Look, where it is this process' turn, and note what changed."""
        await self._tell_spool()
        if not await self._ledger.alerts.turn(min(TURN_MS, int(self._tick_seconds * 900))):
            return
        version, doc = await self._ledger.alerts.known()
        now_ms = self._clock.now_ms()
        seen, duplicates, spooled = await asyncio.gather(
            look(self._ledger, now_ms),
            self._ledger.reads.duplicates(MOST_DUPLICATES + 1),
            self._ledger.alerts.spooled(now_ms),
        )
        known = known_from(doc)
        after, notices = step(known, conditions(seen, duplicates, spooled), now_ms)
        if after is known:
            return
        texts = [notice.text() for notice in notices]
        channels = [channel.name for channel in self._channels]
        if await self._ledger.alerts.change(version, known_text(after), texts, channels):
            self._news.set()
            for notice in notices:
                log.warning("alert", state=notice.state, alert=notice.slug, subject=notice.subject or None)

    async def _tell_spool(self) -> None:
        """Whose turn it is, sees no disk but its own."""
        state = self._spool()
        if state is not None:
            told = (self._name, state.deliveries, state.refused, self._clock.now_ms())
            await self._ledger.alerts.tell_spool(*told)

    async def deliver(self, channel: Channel) -> None:
        """Send what waits for this channel, in order, for as long as that goes well."""
        while taken := await self._ledger.alerts.take(channel.name):
            if not await self._deliver_one(channel, taken):
                return

    async def _deliver_one(self, channel: Channel, taken: Taken) -> bool:
        notice = Notice.parse(taken.notice)
        error = "given up" if taken.given_up else await self._send(channel, notice)
        if error is not None:
            log.warning(
                "alert.not_sent", channel=channel.name, alert=notice.slug, error=error, tries=taken.tries
            )
        now_ms = self._clock.now_ms()
        sending = Sending(channel.name, notice.title, notice.state, now_ms, error)
        again_ms = FIRST_AGAIN_MS << taken.tries - 1
        await self._ledger.alerts.end(channel.name, taken, sending, again_ms=again_ms)
        return error is None or taken.given_up

    async def _keep(self, act: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again, whatever becomes of it; Redis may be away meanwhile."""
        while True:
            try:
                await act()
            except LedgerUnavailable:
                pass  # everybody else says so
            except Exception:
                log.exception("alerts.fault")
            await pause()

    async def _news_or_tick(self) -> None:
        """What another process noted, or left behind, is found at the tick."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._tick_seconds):
                await self._news.wait()
        self._news.clear()
