"""What a receiver answers to a scrape, read as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.running import Site

Sample = tuple[str, frozenset[tuple[str, str]]]


def scraped(site: Site) -> dict[Sample, float]:
    """Every sample by name and labels."""
    answer = site.client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(site: Site, name: str, **labels: str) -> float:
    """One sample; 0 where there is none yet."""
    return scraped(site).get((f"reopener_{name}", frozenset(labels.items())), 0.0)
