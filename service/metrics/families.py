"""Families of samples, as prometheus_client writes them down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from service.ledger.tallies import Spread

Labels = tuple[str, ...]


def gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"reopener_{name}", documentation, value=float(value))


def gauges(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, value in values:
        family.add_metric(told, float(value))
    return family


def counter(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, value in values:
        family.add_metric(told, value)
    return family


def histogram(
    name: str, documentation: str, labels: tuple[str, ...], values: Iterable[tuple[Labels, Spread]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"reopener_{name}", documentation, labels=labels)
    for told, spread in values:
        family.add_metric(told, list(_buckets(spread)), spread.sum_seconds)
    return family


def _buckets(spread: Spread) -> Iterable[tuple[str, float]]:
    yield from ((str(bound), float(number)) for bound, number in spread.buckets)
    yield "+Inf", float(spread.count)
