"""What this process has seen of deliveries since it started."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class ReceiverMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
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
