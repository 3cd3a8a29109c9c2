"""What this process has seen of deliveries since it started.

Counted in plain numbers, for one event loop: prometheus_client's own take a lock for each, four a delivery.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from prometheus_client.core import Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, float("inf"))
_BOUNDS = [*map(str, SECONDS[:-1]), "+Inf"]


class ReceiverMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._deliveries: Counter[tuple[str, str, str]] = Counter()
        self._within = [0] * len(SECONDS)
        self._sum_seconds = 0.0
        self.registry.register(self)

    def answered(self, source: str, verdict: str, reason: str, seconds: float) -> None:
        """Count an answer. Callers pass sources that are configured, or one word for all others."""
        self._deliveries[source, verdict, reason] += 1
        self._within[bisect_left(SECONDS, seconds)] += 1
        self._sum_seconds += seconds

    def collect(self) -> Iterator[Metric]:
        deliveries = CounterMetricFamily(
            "reopener_deliveries",
            "Deliveries answered by this receiver, by source, verdict and reason; rejected ones tell of a"
            " wrong secret or of somebody knocking.",
            labels=["source", "verdict", "reason"],
        )
        for labels, count in self._deliveries.items():
            deliveries.add_metric(labels, count)
        yield deliveries
        yield HistogramMetricFamily(
            "reopener_delivery_seconds",
            "Time from a delivery's headers to its answer; helpdesks give up after 3 to 20 seconds.",
            buckets=list(zip(_BOUNDS, accumulate(self._within), strict=True)),
            sum_value=self._sum_seconds,
        )
