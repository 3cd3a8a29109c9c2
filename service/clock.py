"""The one place that reads clocks; everything else gets a `Clock` handed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What product code may ask of time."""

    def now(self) -> datetime:
        """Answer the present moment, aware, in UTC: for records."""
        ...

    def now_ms(self) -> int:
        """Answer the present moment in unix milliseconds: for scores and stamps in Redis."""
        ...

    def monotonic(self) -> float:
        """Answer seconds since some fixed moment, never going back: for durations."""
        ...

    def boottime(self) -> float:
        """Answer seconds since some fixed moment, counting the time the machine slept: for leases."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(_BOOTTIME)


# macOS has no CLOCK_BOOTTIME; there CLOCK_MONOTONIC is the one that counts sleep.
_BOOTTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
