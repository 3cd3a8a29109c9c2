"""How long to wait before the next attempt."""

from __future__ import annotations

from typing import Protocol


class Random(Protocol):
    """What is needed of `random.Random`."""

    def uniform(self, a: float, b: float, /) -> float: ...


def ceiling_seconds(spent: int, *, base_seconds: float, cap_seconds: float) -> float:
    """The longest wait after `spent` attempts: base, doubled for each further attempt, at most the cap."""
    if spent < 1:
        return 0.0
    doublings = min(spent - 1, 62)
    return float(min(cap_seconds, base_seconds * 2**doublings))


def delay_seconds(
    spent: int, rng: Random, *, base_seconds: float, cap_seconds: float, floor_seconds: float = 0.0
) -> float:
    """Full jitter between 0 and the ceiling; `floor_seconds` is waited for in any case."""
    ceiling = ceiling_seconds(spent, base_seconds=base_seconds, cap_seconds=cap_seconds)
    return floor_seconds + rng.uniform(0.0, ceiling)
