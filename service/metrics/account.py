"""The whole account as metrics, for one scrape: the same from every receiver, whichever process did it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prometheus_client.core import CounterMetricFamily, InfoMetricFamily

from service.domain.reopens import WAITING, AttemptOutcome, Status
from service.ledger.reads import VERDICTS
from service.ledger.tallies import ANSWERS
from service.metrics.families import Labels, counter, gauge, gauges, histogram
from service.version import VERSION

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from service.ledger.counts import Account, Stats
    from service.ledger.flow import Flow
    from service.ledger.tallies import Tallied
    from service.watch import Seen

Value = TypeVar("Value")

STOPS = ("paused", "throttled", "credentials_refused", "acquire_failing", "quarantined")
ENDS = tuple(status.value for status in Status if status not in WAITING)
BREAKER = ("closed", "open", "half_open")


@dataclass(frozen=True, slots=True)
class Figures:
    """`sources` are those of the settings, `ping_seconds` is one write to Redis and back."""

    sources: tuple[str, ...]
    seen: Seen
    counts: Tallied
    flow: Flow
    bulk_left: int
    ping_seconds: float


class AccountMetrics:
    """None where Redis is away: then only that is told."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("reopener_build", "The version that runs.", {"version": VERSION})
        figures = self._figures
        is_up = figures is not None
        yield gauge("ledger_up", "1 while Redis answers; at 0 all that Redis knows is missing.", is_up)
        if figures is None:
            return
        yield gauge(
            "redis_ping_seconds", "One write to Redis and back, at this scrape.", figures.ping_seconds
        )
        yield from _of_events(figures)
        yield from _of_ledger(figures.seen.stats)
        yield from _of_workers(figures.seen, figures.counts)
        yield from _of_account(figures.seen.stats.account, figures.flow)
        yield from _of_sources(figures.seen)
        yield gauge("bulk_left", "Reopens of retries for many that are still to be begun.", figures.bulk_left)


def _of_events(figures: Figures) -> Iterator[Metric]:
    """From 0 on for each source: a counter that appears at 1 has no increase."""
    counts = figures.counts
    sources = sorted({*figures.sources, *(source for source, _ in (*counts.came, *counts.ended))})
    yield counter(
        "received",
        "Events that came, by source and verdict, of all receivers together.",
        ("source", "verdict"),
        (((source, verdict), counts.came[source, verdict]) for source in sources for verdict in VERDICTS),
    )
    yield counter(
        "ended",
        "Reopens that came to a status that is no waiting, by source; a retried one may come there again.",
        ("source", "status"),
        (((source, status), counts.ended[source, status]) for source in sources for status in ENDS),
    )
    yield histogram(
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
    yield gauges("reopens", "Reopens by source and status, as they are now.", ("source", "status"), now)
    yield CounterMetricFamily(
        "reopener_accepted", "Events accepted since the ledger began.", value=stats.accepted + stats.removed
    )
    yield CounterMetricFamily(
        "reopener_removed", "Reopens that retention or a person removed.", value=stats.removed
    )
    yield gauge(
        "balanced",
        "1 while accepted less removed is the sum of all statuses; 0 is a fault of ours.",
        stats.balanced,
    )
    yield CounterMetricFamily(
        "reopener_duplicates",
        "Threads with an effect of ours that nobody claims: see the thread's page.",
        value=stats.duplicates,
    )
    yield gauge("waiting", "Reopens that are queued, running, retrying or checking.", stats.waiting)
    yield gauge("oldest_waiting_seconds", "Age of the oldest of these.", stats.oldest_waiting_seconds)
    yield gauge("queue_depth", "Bells in RQ's queue that no worker has heard yet.", stats.queue_depth)


def _of_workers(seen: Seen, counts: Tallied) -> Iterator[Metric]:
    yield gauge("workers", "Worker processes that RQ knows of.", seen.crew.workers)
    yield gauge("in_flight", "Threads that workers hold: the concurrency in use.", seen.stats.in_flight)
    yield gauge("concurrency", "Threads that all workers together may hold.", seen.crew.concurrency)
    yield counter(
        "attempts",
        "Attempts by how they ended.",
        ("outcome",),
        _single((outcome.value, counts.attempts[outcome.value]) for outcome in AttemptOutcome),
    )
    yield counter(
        "calls",
        "Calls to Acquire by name and kind of answer.",
        ("call", "answer"),
        (((call, answer), counts.calls[call, answer]) for call in counts.call_seconds for answer in ANSWERS),
    )
    took = _single(counts.call_seconds.items())
    yield histogram("call_seconds", "How long calls to Acquire took.", ("call",), took)


def _of_account(account: Account, flow: Flow) -> Iterator[Metric]:
    yield gauge("paused", "1 while a person has paused the work.", account.paused)
    stops = (((slug,), account.why == slug) for slug in STOPS)
    yield gauges("stopped", "1 while the account sends nothing, by reason.", ("reason",), stops)
    states = (((state,), account.breaker == state) for state in BREAKER)
    yield gauges("breaker", "1 for the state that the account's breaker is in.", ("state",), states)
    yield gauge("breaker_openings", "Openings in a row without a closing between.", account.openings)
    yield gauge("credentials_ok", "0 while Acquire refuses the key.", account.why != "credentials_refused")
    yield gauge("read_lag_seconds", "The worst read lag measured of Acquire.", account.read_lag_ms / 1000)
    yield gauge("redis_durable", "1 where this Redis cannot forget what was answered.", account.durable)
    yield gauge(
        "pace_calls_per_second", "At which calls come back after a pause; 0 is none.", flow.pace_per_second
    )
    yield gauge(
        "rate_limit_calls_per_second", "[acquire] rate_per_second; 0 is no limit.", flow.rate_per_second
    )
    yield gauge("rate_limit_wait_seconds", "How long a call would wait for its place now.", flow.wait_seconds)
    yield gauge("retry_budget_calls", "Calls that retries may make at once now.", flow.retry_budget_calls)
    yield gauge(
        "retry_budget_most_calls", "The most that is saved up for them.", flow.retry_budget_most_calls
    )


def _of_sources(seen: Seen) -> Iterator[Metric]:
    heard = (((source,), ms / 1000) for source, ms in seen.heard_ms.items())
    yield gauges(
        "source_heard_timestamp_seconds",
        "When a source last delivered something authentic.",
        ("source",),
        heard,
    )
    silent = {each.source for each in seen.silent}
    yield gauges(
        "source_silent",
        "1 while a source that usually talks at this time has not for whole hours.",
        ("source",),
        (((source,), source in silent) for source in seen.heard_ms),
    )


def _single(named: Iterable[tuple[str, Value]]) -> Iterator[tuple[Labels, Value]]:
    return (((name,), value) for name, value in named)
