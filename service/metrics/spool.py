"""This receiver's spool as metrics: of several receivers, add these up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from service.clock import Clock
    from service.intake.spool import SpoolOf


class SpoolMetrics:
    """Nothing where there is no spool."""

    def __init__(self, spool: SpoolOf, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        state = self._spool()
        if state is None:
            return
        oldest_seconds = (self._clock.now_ms() - (state.oldest_ms or self._clock.now_ms())) / 1000
        for name, documentation, value in (
            ("deliveries", "Deliveries that wait on this receiver's disk for Redis.", state.deliveries),
            ("oldest_seconds", "How long the first of them has waited.", oldest_seconds),
            ("refused", "Deliveries on this disk that Redis refuses; see the log.", state.refused),
            ("bytes", "What the spool takes of this disk.", state.bytes),
            ("limit_bytes", "REOPENER_SPOOL_MB: beyond it deliveries get 503.", state.limit_bytes),
        ):
            yield GaugeMetricFamily(f"reopener_spool_{name}", documentation, value=float(value))
