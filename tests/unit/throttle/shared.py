"""What the account's ledger would say to one process."""

from __future__ import annotations

from service.domain.breaker import Breaker, Calls
from service.domain.ports import Given
from tests.clocks import HandClock

CLOCK = HandClock()
NOW_MS = CLOCK.now_ms()
GIVEN, CLOSED = Given(0.0), Breaker()


async def at_once():
    pass


class Shared:
    """What the account's ledger says: no rate limit, this breaker, and this place for whoever asks."""

    rate = 0.0

    def __init__(self, place=GIVEN, breaker=CLOSED) -> None:
        self.place, self.breaker = place, breaker
        self.asked: list[bool] = []
        self.noted: list[tuple[int, int]] = []
        self.when_asked = lambda: None
        self.when_noted = at_once
        self.is_first = True
        self.now_ms = NOW_MS

    async def reserve(self, calls, *, is_retry, lane):
        self.asked.append(is_retry)
        self.when_asked()
        return self.place

    def wanted(self, calls, lane):
        return (calls, lane)

    async def change(self, before, to, detail):
        return self.is_first

    async def change_pace(self, before, pace):
        return self.is_first

    async def note(self, answered, failed):
        self.noted.append((answered, len(failed)))
        await self.when_noted()
        return self.breaker, Calls(answered, len(failed), len(failed), answered, len(failed)), self.now_ms
