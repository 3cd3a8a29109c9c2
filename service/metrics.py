"""Prometheus metrics: what the receiver counts itself, and the ledger's numbers at the time of a scrape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from starlette.responses import Response
from starlette.routing import Route

from service.domain.errors import LedgerUnavailable
from service.version import VERSION

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from starlette.requests import Request

    from service.clock import Clock
    from service.ledger import Ledger
    from service.ledger.counts import Stats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
LEDGER_SECONDS = 1.5


class ReceiverMetrics:
    """What this process has seen of deliveries since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._deliveries = Counter(
            "reopener_deliveries",
            "Deliveries answered by this receiver, by source, verdict and reason; rejected ones tell of a"
            " wrong secret or of somebody knocking.",
            ["source", "verdict", "reason"],
            registry=self.registry,
        )
        self._counters: dict[tuple[str, str, str], Counter] = {}
        self._seconds = Histogram(
            "reopener_delivery_seconds",
            "Time from a delivery's headers to its answer; helpdesks give up after 3 to 20 seconds.",
            buckets=SECONDS,
            registry=self.registry,
        )

    def answered(self, source: str, verdict: str, reason: str, seconds: float) -> None:
        """Count an answer. Callers pass sources that are configured, or one word for all others."""
        known = (source, verdict, reason)
        counter = self._counters.get(known)
        if counter is None:
            counter = self._counters[known] = self._deliveries.labels(*known)
        counter.inc()
        self._seconds.observe(seconds)


def routes(ledger: Ledger, receiver_metrics: ReceiverMetrics, clock: Clock) -> list[Route]:
    """`/metrics`, without a token. Where Redis is away the scrape still answers, and says so."""

    async def metrics(_: Request) -> Response:
        try:
            numbers: Stats | None = await ledger.counts.stats(clock.now_ms())
            workers = await ledger.counts.workers()
        except LedgerUnavailable:
            numbers, workers = None, 0
        registry = CollectorRegistry()
        registry.register(_Ledger(numbers, workers))
        body = generate_latest(receiver_metrics.registry) + generate_latest(registry)
        return Response(body, headers={"content-type": CONTENT_TYPE})

    return [Route("/metrics", metrics)]


class _Ledger:
    """The ledger's numbers as metrics, for one scrape."""

    def __init__(self, numbers: Stats | None, workers: int) -> None:
        self._numbers = numbers
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("reopener_build", "The version that runs.", {"version": VERSION})
        numbers = self._numbers
        yield _gauge(
            "ledger_up",
            "1 while Redis answers; all else below is missing while it is 0.",
            numbers is not None,
        )
        if numbers is None:
            return
        by_status = GaugeMetricFamily(
            "reopener_reopens", "Reopens by source and status, as they are now.", labels=["source", "status"]
        )
        for source, counts in numbers.by_source.items():
            for status, count in counts.items():
                by_status.add_metric([source, status], count)
        yield by_status
        yield CounterMetricFamily(
            "reopener_accepted",
            "Events accepted since the ledger began.",
            value=numbers.accepted + numbers.removed,
        )
        yield CounterMetricFamily(
            "reopener_duplicates",
            "Threads with an effect of ours that nobody claims: see the thread's page.",
            value=numbers.duplicates,
        )
        yield _gauge("waiting", "Reopens that are queued, running, retrying or checking.", numbers.waiting)
        yield _gauge(
            "oldest_waiting_seconds",
            "Age of the oldest of these; alert when it outgrows your retries.",
            numbers.oldest_waiting_seconds,
        )
        yield _gauge("queue_depth", "Bells in RQ's queue that no worker has heard yet.", numbers.queue_depth)
        yield _gauge("workers", "Worker processes that RQ knows of; alert on 0.", self._workers)
        yield _gauge("in_flight", "Threads that are held by a worker.", numbers.in_flight)
        account = numbers.account
        yield _gauge("paused", "1 while a person has paused the work.", account.paused)
        stopped = GaugeMetricFamily(
            "reopener_stopped", "1 while the account sends nothing, by reason.", labels=["reason"]
        )
        for slug in ("paused", "throttled", "credentials_refused", "acquire_failing", "quarantined"):
            stopped.add_metric([slug], 1 if account.why == slug else 0)
        yield stopped
        yield _gauge(
            "balanced", "1 while accepted is the sum of all statuses; 0 is a fault of ours.", numbers.balanced
        )
        yield _gauge(
            "read_lag_seconds", "The worst read lag measured of Acquire.", account.read_lag_ms / 1000
        )


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"reopener_{name}", documentation, value=float(value))
