"""What happened when: counts by minute, hour and day, written by the scripts, read for charts.

Keys `reopener:series:{m,h,d}:{block}`: a hash for each hour of minutes (kept 3 hours), day of hours (33 days)
and 32 days of days (65 days). Fields `{slot}:{source}:{what}`, a slot being a whole minute, hour or day since
1970; what is `in:{verdict}` for deliveries, a status for ends. `{slot}::{bucket}` counts how long customers
waited until their reply was in Acquire: bucket b holds 2**(b/4) up to 2**((b+1)/4) milliseconds. The hash
`reopener:counts` holds the same since ever, without slots (tallies.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

P = "reopener:"
COUNTS_KEY = f"{P}counts"
Span = Literal["hour", "day", "month"]
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
RESOLUTION: dict[Span, tuple[str, int, int, int]] = {
    "hour": ("m", _MINUTE, 60, 60),
    "day": ("h", _HOUR, 24, 24),
    "month": ("d", _DAY, 32, 31),
}
"""Span -> letter of its keys, length of a slot in ms, slots in a hash, slots shown."""
IN = ("in:accepted", "in:held")
GOOD = ("reopened", "appended", "skipped")
BAD = ("dead", "held", "in:held")
"""What a person has to look at: it came to that, or was held at the door."""
KEPT_SECONDS = {"m": 3 * 3600, "h": 33 * 86_400, "d": 65 * 86_400}


def add_to_series(pipe: Pipeline, now_ms: int, what: str) -> None:
    """Count one `source:what`, as `add_to_series` of series.lua does, where no script is at work."""
    for letter, slot_ms, block, _ in RESOLUTION.values():
        slot = now_ms // slot_ms
        key = f"{P}series:{letter}:{slot // block}"
        pipe.hincrby(key, f"{slot}:{what}", 1)
        pipe.expire(key, KEPT_SECONDS[letter])
    pipe.hincrby(COUNTS_KEY, what, 1)


@dataclass(slots=True)
class Slot:
    """What happened in one minute, hour or day, by source, and how long customers waited, by bucket."""

    start_ms: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    waited: Counter[int] = field(default_factory=Counter)

    def total(self, *what: str) -> int:
        return sum(number for (_, each), number in self.counts.items() if each in what)


@dataclass(frozen=True, slots=True)
class Series:
    """Slots, oldest first, the last of which is under way."""

    span: Span
    slot_ms: int
    slots: tuple[Slot, ...]

    def total(self, *what: str) -> int:
        return sum(slot.total(*what) for slot in self.slots)

    def by_source(self) -> dict[str, Counter[str]]:
        """Source -> what -> how often."""
        found: dict[str, Counter[str]] = {}
        for slot in self.slots:
            for (source, what), number in slot.counts.items():
                found.setdefault(source, Counter())[what] += number
        return found

    def waited_ms(self, share: float) -> int | None:
        """The time within which this share of the customers had their reply in Acquire, None of none.

        Right to a tenth: the middle of the bucket it falls into.
        """
        waited: Counter[int] = Counter()
        for slot in self.slots:
            waited += slot.waited
        left = share * waited.total()
        for bucket in sorted(waited):
            left -= waited[bucket]
            if left <= 0:
                return round(2 ** ((bucket + 0.5) / 4))
        return None


class SeriesReads:
    """Reads are bounded by the number of sources, never by what is stored."""

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    async def series(self, span: Span, now_ms: int) -> Series:
        letter, slot_ms, block, shown = RESOLUTION[span]
        last = now_ms // slot_ms
        first = last - shown + 1
        slots = {slot: Slot(slot * slot_ms) for slot in range(first, last + 1)}
        for fields in await self._blocks(letter, range(first // block, last // block + 1)):
            for name, value in fields.items():
                number, source, what = _parts(name)
                slot = slots.get(number)
                if slot is None:
                    continue
                if source:
                    slot.counts[source, what] += int(value)
                else:
                    slot.waited[int(what)] += int(value)
        return Series(span, slot_ms, tuple(slots.values()))

    async def heard_ms(self) -> Mapping[str, int]:
        """When each source last delivered something authentic."""
        fields = await self._ask(self._redis.hgetall(f"{P}heard"))
        return {name.decode(): int(value) for name, value in fields.items()}

    async def heard_hourly(self, days_ago: int, now_ms: int) -> Mapping[tuple[str, int], int]:
        """(source, hour since 1970) -> authentic deliveries, of that day and the one before it."""
        day = now_ms // _DAY - days_ago
        found: Counter[tuple[str, int]] = Counter()
        for fields in await self._blocks("h", range(day - 1, day + 1)):
            for name, value in fields.items():
                number, source, what = _parts(name)
                if source and what.startswith("in:") and what != "in:rejected":
                    found[source, number] += int(value)
        return found

    async def _blocks(self, letter: str, blocks: range) -> list[dict[bytes, bytes]]:
        pipe = self._redis.pipeline(transaction=False)
        for block in blocks:
            pipe.hgetall(f"{P}series:{letter}:{block}")
        rows: list[dict[bytes, bytes]] = await self._ask(pipe.execute())
        return rows

    _ask = staticmethod(ask)


def _parts(name: bytes) -> tuple[int, str, str]:
    slot, _, rest = name.decode().partition(":")
    source, _, what = rest.partition(":")
    return int(slot), source, what
