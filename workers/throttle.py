"""Care for Acquire: breaker, pace, rate limit and retry budget of the account, as one process keeps to them.

`Care` notes how calls ended, a round trip for many, and knows what all workers of the account decided
together (service/domain/breaker.py, service/ledger/care.py). Every call goes through it (workers/careful.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from service.domain.breaker import FIRST_PAUSE_SECONDS, Breaker, after_calls, with_clock_set_back
from service.domain.errors import LedgerUnavailable
from service.domain.ports import Full, Given, Later, Spent
from service.logs import get_logger

if TYPE_CHECKING:
    from service.clock import Clock
    from service.domain.ports import Place, Wanted
    from service.ledger.care import Care as SharedCare
    from service.queue import Lane

NOTE_SECONDS = 0.5
LONGEST_SPREAD_MS = 1_000
LEAVING = "worker_leaves"
COLD_SECONDS = 10.0
FIRST_PLACES = 4
WARMING_SECONDS = 0.02
PATIENCE_SECONDS = 5.0
"""So long the backlog lets new replies pass before it stands in line with them."""

log = get_logger(__name__)


class Care:
    """What one process knows and tells of the account's calls."""

    def __init__(self, shared: SharedCare, clock: Clock) -> None:
        self._shared = shared
        self._clock = clock
        self._answered = 0
        self._failed: list[int] = []
        self._detail = ""
        self._noted_at = float("-inf")
        self._noting: asyncio.Task[None] | None = None
        self._breaker = Breaker()
        self._known_at = self._answered_at = float("-inf")
        self._gone_first = 0
        self._ahead_ms = 0
        self._turns: dict[Lane, asyncio.Lock] = {"live": asyncio.Lock(), "backlog": asyncio.Lock()}
        self._beginning: dict[Lane, asyncio.Lock] = {"live": asyncio.Lock(), "backlog": asyncio.Lock()}
        self._last_begin_at = float("inf")
        self._no_places = asyncio.Event()

    def note_time(self, now_ms: int) -> None:
        """Redis' time just now."""
        self._ahead_ms = now_ms - self._clock.now_ms()

    def leave(self, last_begin_seconds: float) -> None:
        """This process ends: after so long no call begins any more. Safe in a signal handler."""
        self._last_begin_at = min(self._last_begin_at, self._clock.monotonic() + last_begin_seconds)

    def give_up_places(self) -> None:
        """Who waits for a place, or asks for one from now on, does not get it from this process."""
        self._no_places.set()

    def stopped(self) -> Later | None:
        """Whether Acquire is to be left alone now, as far as this process knows."""
        now_ms = self.now_ms()
        breaker = self._breaker = with_clock_set_back(self._breaker, now_ms)
        if breaker.state(now_ms) == "open":
            return Later(breaker.until_ms, breaker.why)
        if self._clock.monotonic() >= self._last_begin_at:
            return Later(now_ms, LEAVING)
        return None

    def wanted(self, calls: int, lane: Lane) -> Wanted | None:
        """The place that work which is about to be claimed asks for along with it; it counts as begun then.
        None where it would wait here first, or need not ask.
        """
        waits = self._beginning[lane].locked() or self._turns[lane].locked() or self._is_cold()
        if waits or self._no_places.is_set() or self.stopped() is not None or self._is_unlimited():
            return None
        self._gone_first += 1
        return self._shared.wanted(calls, lane)

    def not_begun(self) -> None:
        """What counted as begun was put off, or came to nothing."""
        self._gone_first = max(0, self._gone_first - 1)

    async def begin(
        self, calls: int, place: Place | None = None, *, is_retry: bool, lane: Lane
    ) -> Later | None:
        """Wait until work may begin with so many calls; or why not now. `place` is what it was given with its
        claim. Where nothing was answered lately, all that waits could meet an Acquire that hangs, and nobody
        knows before the first time-out: so a few go first, and the others follow at the first answer.
        """
        if place is None:
            async with self._beginning[lane]:
                patient_until = self._clock.monotonic() + PATIENCE_SECONDS
                while self._is_cold() and self._clock.monotonic() < patient_until and self.stopped() is None:
                    left = await self._wait(WARMING_SECONDS)
                    if left is not None:
                        return left
                self._gone_first += 1
        has_begun = False
        try:
            if place is None or isinstance(place, Full):
                later = await self.place(calls, is_retry=is_retry, lane=lane)
            else:
                later = await self._taken(place)
            has_begun = later is None
        finally:
            # Also where Redis is away, or the claim is cancelled.
            if not has_begun:
                self.not_begun()
        return later

    async def place(self, calls: int, *, is_retry: bool = False, lane: Lane = "live") -> Later | None:
        """Wait until so many calls may be made; or why not now."""
        async with self._turns[lane]:
            place = await self._place(calls, lane, is_retry=is_retry)
        return await self._taken(place)

    async def _taken(self, place: Given | Spent | Later) -> Later | None:
        match place:
            case Later():
                return place
            case Spent(later_ms):
                spread_ms = int(random.uniform(0, LONGEST_SPREAD_MS))
                return Later(self.now_ms() + later_ms + spread_ms, "retry_budget")
            case Given(wait_seconds):
                return await self._wait(wait_seconds) or self.stopped()

    def _is_cold(self) -> bool:
        silent_seconds = self._clock.monotonic() - self._answered_at
        return silent_seconds > COLD_SECONDS and self._gone_first >= FIRST_PLACES

    async def _place(self, calls: int, lane: Lane, *, is_retry: bool) -> Given | Spent | Later:
        """Ask until there is room. One of a lane asks at a time, and the others of this process stand in line
        behind it. What has waited for long is in line with new replies, so that it is never starved.
        """
        patient_until = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            stopped = self.stopped()
            if stopped is not None:
                return stopped
            if self._clock.monotonic() >= patient_until:
                lane = "live"
            if not is_retry and self._is_unlimited():
                return Given(0.0)
            place = await self._shared.reserve(calls, is_retry=is_retry, lane=lane)
            if not isinstance(place, Full):
                return place
            left = await self._wait(place.again_seconds)
            if left is not None:
                return left

    def _is_unlimited(self) -> bool:
        """Whether there is no limit to ask for. What this process knew before a pause is older than that when
        it is over, and then it asks.
        """
        is_known = self._clock.monotonic() - self._known_at < FIRST_PAUSE_SECONDS
        return not self._shared.rate and is_known and not self._breaker.pace

    async def _wait(self, seconds: float) -> Later | None:
        """Wait for so long, or say that this process gives up its places."""
        if not seconds:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._no_places.wait()
            return Later(self.now_ms(), LEAVING)
        return None

    def answered(self) -> None:
        """Acquire answered, whatever it said."""
        self._answered += 1
        self.heard()
        if self._clock.monotonic() - self._noted_at >= NOTE_SECONDS:
            self._note_soon()

    def heard(self) -> None:
        """Acquire does not hang, though what it said counts for nothing: it asks for a pause, or refuses the
        key.
        """
        self._answered_at, self._gone_first = self._clock.monotonic(), 0

    def failed(self, detail: str, began_ms: int) -> None:
        """Acquire, or the way to it, failed a call that began at this time of Redis'."""
        self._failed.append(began_ms)
        self._detail = detail
        self._note_soon()

    async def aclose(self) -> None:
        if self._noting is not None:
            await asyncio.wait([self._noting], timeout=NOTE_SECONDS)
            self._noting.cancel()

    def now_ms(self) -> int:
        """Redis' time, as far as this process knows."""
        return self._clock.now_ms() + self._ahead_ms

    def _note_soon(self) -> None:
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note())

    async def _note(self) -> None:
        while self._answered or self._failed:
            answered, failed, detail = self._answered, self._failed, self._detail
            self._answered, self._failed, self._detail = 0, [], ""
            self._noted_at = self._clock.monotonic()
            try:
                await self._decide(answered, failed, detail)
            except LedgerUnavailable as away:
                log.warning("calls.not_noted", error=str(away))
                return

    async def _decide(self, answered: int, failed: list[int], detail: str) -> None:
        noted, calls, now_ms = await self._shared.note(answered, failed)
        self.note_time(now_ms)
        before = with_clock_set_back(noted, now_ms)
        after = after_calls(before, calls, now_ms)
        if after.changed_ms != self._breaker.changed_ms:
            self._gone_first = 0
        self._breaker, self._known_at = after, self._clock.monotonic()
        if after is before:
            return
        if (after.why, after.changed_ms) == (before.why, before.changed_ms):
            if await self._shared.change_pace(before, after.pace):
                log.info("breaker.paced", calls_per_second=after.pace or None)
            return
        # Nobody asks what went wrong before it went well: the words may be a customer's.
        if not await self._shared.change(before, after, detail if after.why else ""):
            return
        if after.why:
            pause_ms = after.until_ms - now_ms
            # Without the detail: words of Acquire's may be the customer's.
            log.error("breaker.opened", reason=after.why, pause_ms=pause_ms, times=after.opened)
        else:
            log.warning("breaker.closed", reason=before.why)
