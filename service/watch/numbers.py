"""The numbers of the overview, for the page and for the terminal. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.reopens import WAITING
from service.ledger.series import BAD, GOOD, IN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from service.ledger.counts import Stats
    from service.ledger.series import Series

PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class Speed:
    """Which share of what ended, ended well, and how long customers waited (ms); None where nothing ended."""

    success: float | None
    waited: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source in a span of time, but for `waiting`, which is now."""

    name: str
    heard_ms: int | None
    came: int
    good: int
    bad: int
    ignored: int
    rejected: int
    waiting: int


def law(stats: Stats) -> list[tuple[str, int]]:
    """The right side of the conservation law, in the order of the contract."""
    names = ("reopened", "appended", "skipped", "dead", "cancelled", "held")
    return [*((name, stats.by_status[name]) for name in names), ("waiting", stats.waiting)]


def speed(shown: Series) -> Speed:
    good, bad = shown.total(*GOOD), shown.total("dead")
    waited = tuple((name, shown.waited_ms(share)) for name, share in PERCENTILES)
    return Speed(good / (good + bad) if good + bad else None, waited)


def source_rows(
    configured: Collection[str], stats: Stats, shown: Series, heard_ms: Mapping[str, int]
) -> list[SourceRow]:
    """A row for each source, also for one that never said anything."""
    by_source = shown.by_source()
    rows = []
    for name in sorted({*configured, *stats.by_source, *heard_ms}):
        counts, now = by_source.get(name, Counter()), stats.by_source.get(name, {})
        rows.append(
            SourceRow(
                name=name,
                heard_ms=heard_ms.get(name),
                came=sum(counts[what] for what in IN),
                good=sum(counts[what] for what in GOOD),
                bad=sum(counts[what] for what in BAD),
                ignored=counts["in:ignored"],
                rejected=counts["in:rejected"],
                waiting=sum(now.get(status.value, 0) for status in WAITING),
            )
        )
    return rows
