"""News as server-sent events: one watcher for each process asks Redis, and every open page hears of it.

An event says only that something changed; the page then asks for its own main part again and puts in what
differs (static/app.js). So a page costs nothing while nothing happens, and a slow connection carries no more
than the page itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from service.dashboard.rendering import HEADERS
from service.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.clock import Clock
    from service.ledger import Ledger

LOOK_SECONDS = 1.0
IDLE_SECONDS = 15.0
"""How often a line is sent in any case: proxies cut connections that say nothing, and ages grow."""
MOST_LISTENERS = 200
_AWAY = "away"


class Live:
    """Watches only while somebody listens."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._listeners: set[asyncio.Event] = set()
        self._watcher: asyncio.Task[None] | None = None

    async def listen(self, _: Request) -> Response:
        if len(self._listeners) >= MOST_LISTENERS:
            return Response(status_code=503, headers={"Retry-After": "30"})
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[str]:
        """Cancelled when the page goes away, or this server shuts down (service/server.py)."""
        news = asyncio.Event()
        self._listeners.add(news)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            yield "retry: 2000\nevent: hello\ndata: 1\n\n"
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        await news.wait()
                    event = "changed"
                except TimeoutError:
                    event = "idle"
                news.clear()
                yield f"event: {event}\ndata: 1\n\n"
        finally:
            self._listeners.discard(news)

    async def _watch(self) -> None:
        known = ""
        while self._listeners:
            try:
                pulse = await self._pulse()
            except LedgerUnavailable:
                pulse = _AWAY  # which is news: pages must not go on to say that they are live
            if known and pulse != known:
                for listener in self._listeners:
                    listener.set()
            known = pulse
            await asyncio.sleep(LOOK_SECONDS)

    async def _pulse(self) -> str:
        """Differs when anything that a page shows has changed."""
        now_ms = self._clock.now_ms()
        numbers, crew, latest, entries = await asyncio.gather(
            self._ledger.counts.stats(now_ms),
            self._ledger.crews.crew(),
            self._ledger.counts.changes(),
            self._ledger.audit.latest(limit=1),
        )
        told = repr((numbers.by_source, numbers.in_flight, numbers.account, crew, latest, entries))
        return hashlib.sha256(told.encode()).hexdigest()
