"""A source that is silent although it usually talks at this time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HOUR_MS = 3_600_000
HOURS_A_DAY = 24
SHORTEST_HOURS = 1
LONGEST_HOURS = 72
FEWEST_DELIVERIES = 5
"""A source that had fewer in the same hours before may just have a quiet day."""

Hourly = Mapping[tuple[str, int], int]
"""(source, hour since 1970) -> authentic deliveries."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing since `heard_ms`; in the same hours a day or a week before there were `usual` deliveries."""

    source: str
    heard_ms: int
    usual: int


def silences(heard_ms: Mapping[str, int], hourly: Hourly, now_ms: int) -> list[Silence]:
    """Every source that has been silent for whole hours in which it talked both yesterday and a week ago.

    Where nothing is known of a week ago, yesterday alone tells.
    """
    now_hour = now_ms // HOUR_MS
    knows_last_week = any(hour <= now_hour - 6 * HOURS_A_DAY for _, hour in hourly)
    found = []
    for source, heard in sorted(heard_ms.items()):
        silent = range(heard // HOUR_MS + 1, now_hour)
        if not SHORTEST_HOURS <= len(silent) <= LONGEST_HOURS:
            continue
        days = (1, 7) if knows_last_week else (1,)
        before = [sum(hourly.get((source, hour - day * HOURS_A_DAY), 0) for hour in silent) for day in days]
        if min(before) >= FEWEST_DELIVERIES:
            found.append(Silence(source, heard, min(before)))
    return found
