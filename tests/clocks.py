"""Clocks for tests."""

from __future__ import annotations

from datetime import UTC, datetime


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 25, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def now_ms(self) -> int:
        return int(self.moment.timestamp() * 1000)

    def monotonic(self) -> float:
        return self.moment.timestamp()

    boottime = monotonic
