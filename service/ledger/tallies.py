"""What happened since the ledger began, by source and outcome, of the whole account: for Prometheus.

`counts` is written by the scripts, with what it counts (`add_to_series` of series.lua): fields
`{source}:in:{verdict}`, `{source}:{status}`, `:{bucket}` and `:ms`. `tally` is what workers tell of their
attempts and calls every two seconds; a worker that is killed takes the last of them along.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.ledger.scripts import ask
from service.ledger.series import COUNTS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

TALLY_KEY = "reopener:tally"
ANSWERS = ("answered", "refused", "unauthorized", "throttled", "failed", "no_answer", "other")
"""All kinds of answer to a call: a label must not grow with what Acquire thinks of."""
CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets for how long a call took; one more holds the rest."""
_LAST_WAIT = 27
"""2**27 ms are a day and a half, longer than a reopen is tried by default."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took: counts by upper bound in seconds, cumulative, and the sum in seconds."""

    buckets: tuple[tuple[float, int], ...]
    count: int
    sum_seconds: float


@dataclass(slots=True)
class Tallied:
    """`came` and `ended` by (source, verdict) and (source, status), `attempts` by outcome, `calls` by (name,
    answer).
    """

    came: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    waited: Spread = Spread((), 0, 0.0)
    call_seconds: dict[str, Spread] = field(default_factory=dict)


class Tallies:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    async def read(self) -> Tallied:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(COUNTS_KEY)
        pipe.hgetall(TALLY_KEY)
        rows = await self._ask(pipe.execute())
        events, tally = ({name.decode(): int(value) for name, value in row.items()} for row in rows)
        counts = Tallied(waited=_waited(events), call_seconds=_call_seconds(tally))
        for name, number in events.items():
            source, _, what = name.partition(":")
            if source and what.startswith("in:"):
                counts.came[source, what.removeprefix("in:")] += number
            elif source:
                counts.ended[source, what] += number
        for name, number in tally.items():
            match name.split(":"):
                case ["attempt", outcome]:
                    counts.attempts[outcome] += number
                case ["call", call, answer]:
                    counts.calls[call, answer] += number
        return counts

    async def add(self, tally: Mapping[str, int]) -> None:
        """Add what a worker counted: `attempt:{outcome}`, `call:{name}:{answer}`, `took:{name}:{place}` of a
        bound of `CALL_SECONDS`, and `ms:{name}`.
        """
        pipe = self._redis.pipeline(transaction=True)
        for name, number in tally.items():
            pipe.hincrby(TALLY_KEY, name, number)
        await self._ask(pipe.execute())

    _ask = staticmethod(ask)


def _waited(events: Mapping[str, int]) -> Spread:
    """Quarter powers of two, summed up by whole powers of two: a bound is where four buckets end."""
    by_bucket = {int(name[1:]): number for name, number in events.items() if name[1:].isdigit()}
    bounds = range(4, _LAST_WAIT + 1)
    cumulated = [sum(n for bucket, n in by_bucket.items() if bucket < 4 * power) for power in bounds]
    buckets = tuple((2**power / 1000, n) for power, n in zip(bounds, cumulated, strict=True))
    return Spread(buckets, sum(by_bucket.values()), events.get(":ms", 0) / 1000)


def _call_seconds(tally: Mapping[str, int]) -> dict[str, Spread]:
    names = {name.split(":")[1] for name in tally if name.startswith("took:")}
    return {name: _call_spread(name, tally) for name in sorted(names)}


def _call_spread(name: str, tally: Mapping[str, int]) -> Spread:
    numbers = [tally.get(f"took:{name}:{place}", 0) for place in range(len(CALL_SECONDS) + 1)]
    buckets = tuple((bound, sum(numbers[: place + 1])) for place, bound in enumerate(CALL_SECONDS))
    return Spread(buckets, sum(numbers), tally.get(f"ms:{name}", 0) / 1000)


def bucket_of(duration_ms: int) -> int:
    """The place of the first bound that is not below the duration; behind the last where none is."""
    return sum(bound * 1000 < duration_ms for bound in CALL_SECONDS)
