"""Charts drawn on the server: the geometry of their bars. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.series import BAD, GOOD, IN, Span

if TYPE_CHECKING:
    from service.ledger.series import Series

WIDTH, HEIGHT = 960, 120
EACH: dict[Span, str] = {"hour": "minute", "day": "hour", "month": "day"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One slot: a box for what came in, and on it what came out well and what needs a person."""

    start_ms: int
    came: int
    good: int
    bad: int
    x: float
    width: float
    came_height: float
    good_height: float
    bad_height: float

    @property
    def middle(self) -> float:
        return round(self.x + self.width * 0.25, 2)

    @property
    def half(self) -> float:
        return round(self.width * 0.5, 2)


@dataclass(frozen=True, slots=True)
class Chart:
    span: Span
    each: str
    highest: int
    bars: tuple[Bar, ...]

    @property
    def came(self) -> int:
        return sum(bar.came for bar in self.bars)

    @property
    def good(self) -> int:
        return sum(bar.good for bar in self.bars)

    @property
    def bad(self) -> int:
        return sum(bar.bad for bar in self.bars)


def chart(series: Series) -> Chart:
    """Bars that fill `WIDTH` by `HEIGHT`, the highest a round number."""
    rows = [(s.start_ms, s.total(*IN), s.total(*GOOD), s.total(*BAD)) for s in series.slots]
    highest = _round_up(max((max(came, good + bad) for _, came, good, bad in rows), default=0))
    step = WIDTH / max(1, len(rows))
    bars = [
        Bar(
            start_ms=start_ms,
            came=came,
            good=good,
            bad=bad,
            x=round(place * step + step * 0.08, 2),
            width=round(step * 0.84, 2),
            came_height=_height(came, highest),
            good_height=_height(good, highest),
            bad_height=_height(bad, highest),
        )
        for place, (start_ms, came, good, bad) in enumerate(rows)
    ]
    return Chart(series.span, EACH[series.span], highest, tuple(bars))


def _height(value: int, highest: int) -> float:
    """What is there is seen: no bar of one is thinner than two."""
    return round(max(2.0, value / highest * HEIGHT), 2) if value else 0.0


def _round_up(value: int) -> int:
    """The next of 4, 10, 20, 40, 100, 200, 400, ..."""
    ceiling, factors = 4, (2.5, 2.0, 2.0)
    place = 0
    while ceiling < value:
        ceiling = int(ceiling * factors[place % 3])
        place += 1
    return ceiling
