"""The whole account as metrics, for one scrape: the same from every receiver, whichever process did it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from service.version import VERSION

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from service.ledger.counts import Account, Stats
    from service.ledger.flow import Flow
    from service.ledger.tallies import Spread, Tallied
    from service.watch import Seen

Labels = tuple[str, ...]
Value = TypeVar("Value")

STOPS = ("paused", "throttled", "credentials_refused", "acquire_failing", "quarantined")
BREAKER = ("closed", "open", "half_open")


@dataclass(frozen=True, slots=True)
class Figures:
    """`ping_seconds` is one write to Redis and back."""

    seen: Seen
    counts: Tallied
    flow: Flow
    ping_seconds: float


class AccountMetrics:
    """None where Redis is away: then only that is told."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("reopener_build", "The version that runs.", {"version": VERSION})
        figures = self._figures
        is_up = figures is not None
        yield _gauge("ledger_up", "1 while Redis answers; at 0 all that Redis knows is missing.", is_up)
        if figures is None:
            return
        yield _gauge(
            "redis_ping_seconds", "One write to Redis and back, at this scrape.", figures.ping_seconds
        )
        yield from _of_events(figures.counts)
        yield from _of_ledger(figures.seen.stats)
        yield from _of_workers(figures.seen, figures.counts)
        yield from _of_account(figures.seen.stats.account, figures.flow)
        yield from _of_sources(figures.seen)


def _of_events(counts: Tallied) -> Iterator[Metric]:
    yield _counter(
        "received",
        "Events that came, by source and verdict, of all receivers together.",
        ("source", "verdict"),
        counts.came.items(),
    )
    yield _counter(
        "ended",
        "Reopens that came to a status that is no waiting, by source; a retried one may come there again.",
        ("source", "status"),
        counts.ended.items(),
    )
    yield _histogram(
        "waited_seconds",
        "From acceptance until the reply was in Acquire: what the customer waited.",
        (),
        [((), counts.waited)],
    )


def _of_ledger(stats: Stats) -> Iterator[Metric]:
    now = (
        ((source, status), number)
        for source, by_status in stats.by_source.items()
        for status, number in by_status.items()
    )
    yield _gauges("reopens", "Reopens by source and status, as they are now.", ("source", "status"), now)
    yield CounterMetricFamily(
        "reopener_accepted", "Events accepted since the ledger began.", value=stats.accepted + stats.removed
    )
    yield CounterMetricFamily(
        "reopener_removed", "Reopens that retention or a person removed.", value=stats.removed
    )
    yield _gauge(
        "balanced",
        "1 while accepted less removed is the sum of all statuses; 0 is a fault of ours.",
        stats.balanced,
    )
    yield CounterMetricFamily(
        "reopener_duplicates",
        "Threads with an effect of ours that nobody claims: see the thread's page.",
        value=stats.duplicates,
    )
    yield _gauge("waiting", "Reopens that are queued, running, retrying or checking.", stats.waiting)
    yield _gauge("oldest_waiting_seconds", "Age of the oldest of these.", stats.oldest_waiting_seconds)
    yield _gauge("queue_depth", "Bells in RQ's queue that no worker has heard yet.", stats.queue_depth)


def _of_workers(seen: Seen, counts: Tallied) -> Iterator[Metric]:
    yield _gauge("workers", "Worker processes that RQ knows of.", seen.crew.workers)
    yield _gauge("in_flight", "Threads that workers hold: the concurrency in use.", seen.stats.in_flight)
    yield _gauge("concurrency", "Threads that all workers together may hold.", seen.crew.concurrency)
    yield _counter("attempts", "Attempts by how they ended.", ("outcome",), _single(counts.attempts.items()))
    yield _counter(
        "calls", "Calls to Acquire by name and kind of answer.", ("call", "answer"), counts.calls.items()
    )
    took = _single(counts.call_seconds.items())
    yield _histogram("call_seconds", "How long calls to Acquire took.", ("call",), took)


def _of_account(account: Account, flow: Flow) -> Iterator[Metric]:
    yield _gauge("paused", "1 while a person has paused the work.", account.paused)
    stops = (((slug,), account.why == slug) for slug in STOPS)
    yield _gauges("stopped", "1 while the account sends nothing, by reason.", ("reason",), stops)
    states = (((state,), account.breaker == state) for state in BREAKER)
    yield _gauges("breaker", "1 for the state that the account's breaker is in.", ("state",), states)
    yield _gauge("breaker_openings", "Openings in a row without a closing between.", account.openings)
    yield _gauge("credentials_ok", "0 while Acquire refuses the key.", account.why != "credentials_refused")
    yield _gauge("read_lag_seconds", "The worst read lag measured of Acquire.", account.read_lag_ms / 1000)
    yield _gauge("redis_durable", "1 where this Redis cannot forget what it confirmed.", account.durable)
    yield _gauge(
        "rate_limit_calls_per_second", "[acquire] rate_per_second; 0 is no limit.", flow.rate_per_second
    )
    yield _gauge(
        "rate_limit_wait_seconds", "How long a call would wait for its place now.", flow.wait_seconds
    )
    yield _gauge("retry_budget_calls", "Calls that retries may make at once now.", flow.retry_budget_calls)
    yield _gauge(
        "retry_budget_most_calls", "The most that is saved up for them.", flow.retry_budget_most_calls
    )


def _of_sources(seen: Seen) -> Iterator[Metric]:
    heard = (((source,), ms / 1000) for source, ms in seen.heard_ms.items())
    yield _gauges(
        "source_heard_timestamp_seconds",
        "When a source last delivered something authentic.",
        ("source",),
        heard,
    )
    silent = {each.source for each in seen.silent}
    yield _gauges(
        "source_silent",
        "1 while a source that usually talks at this time has not for whole hours.",
        ("source",),
        (((source,), source in silent) for source in seen.heard_ms),
    )


def _single(named: Iterable[tuple[str, Value]]) -> Iterator[tuple[Labels, Value]]:
    return (((name,), value) for name, value in named)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"reopener_{name}", documentation, value=float(value))


def _gauges(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, value in values:
        family.add_metric(told, float(value))
    return family


def _counter(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, value in values:
        family.add_metric(told, value)
    return family


def _histogram(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, Spread]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, spread in values:
        family.add_metric(told, list(_buckets(spread)), spread.sum_seconds)
    return family


def _buckets(spread: Spread) -> Iterable[tuple[str, float]]:
    yield from ((str(bound), float(number)) for bound, number in spread.buckets)
    yield "+Inf", float(spread.count)
