"""What Prometheus is told of an account and of a spool, number by number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.domain.reopens import Status
from service.intake.spool import SpoolState
from service.ledger.counts import Account
from service.ledger.crew import Crew
from service.ledger.flow import Flow
from service.ledger.tallies import Spread, Tallied
from service.metrics.account import AccountMetrics, Figures
from service.metrics.receiver import ReceiverMetrics
from service.metrics.spool import SpoolMetrics
from service.watch import Seen
from service.watch.silence import Silence
from tests.clocks import HandClock
from tests.unit.test_dashboard import NOW, minutes, stats

ACCOUNT = Account(
    paused=True,
    why="credentials_refused",
    until_ms=None,
    detail=None,
    read_lag_ms=1_500,
    breaker="half_open",
    openings=3,
    durable=True,
)
STATS = stats(
    accepted=7,
    removed=11,
    by_status={status.value: 0 for status in Status} | {"queued": 2, "dead": 5},
    by_source={"support": {"dead": 5}},
    oldest_waiting_seconds=13.5,
    queue_depth=17,
    in_flight=19,
    duplicates=23,
    account=ACCOUNT,
)
HEARD_MS = {"support": 1_700_000_000_000, "sales": 1_600_000_000_000}
SEEN = Seen(NOW, STATS, Crew(29, 31), minutes({}), HEARD_MS, (Silence("sales", 1, 1),))
COUNTS = Tallied(
    waited=Spread(((1.0, 2), (2.0, 3)), 4, 41.5), call_seconds={"reopen": Spread(((1.0, 1),), 1, 0.5)}
)
COUNTS.calls["reopen", "answered"] = 37
FIGURES = Figures(("support", "sales"), SEEN, COUNTS, Flow(43.0, 47.0, 53.5, 59.0, 61.0), 67, 0.071)


def told(metrics: Any) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name.removeprefix("reopener_"), *sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def test_every_number_is_told_under_its_name():
    """Each number of the account is where `docs/ops` looks for it, in seconds where it is a time."""
    expected = {
        ("ledger_up",): 1,
        ("redis_ping_seconds",): 0.071,
        ("reopens", "support", "dead"): 5,
        ("accepted_total",): 18,
        ("removed_total",): 11,
        ("balanced",): 1,
        ("duplicates_total",): 23,
        ("waiting",): 2,
        ("oldest_waiting_seconds",): 13.5,
        ("queue_depth",): 17,
        ("workers",): 29,
        ("in_flight",): 19,
        ("concurrency",): 31,
        ("calls_total", "reopen", "answered"): 37,
        ("waited_seconds_count",): 4,
        ("waited_seconds_sum",): 41.5,
        ("waited_seconds_bucket", "2.0"): 3,
        ("waited_seconds_bucket", "+Inf"): 4,
        ("paused",): 1,
        ("stopped", "credentials_refused"): 1,
        ("stopped", "throttled"): 0,
        ("breaker", "half_open"): 1,
        ("breaker", "closed"): 0,
        ("breaker_openings",): 3,
        ("credentials_ok",): 0,
        ("read_lag_seconds",): 1.5,
        ("redis_durable",): 1,
        ("rate_limit_calls_per_second",): 43,
        ("pace_calls_per_second",): 47,
        ("rate_limit_wait_seconds",): 53.5,
        ("retry_budget_calls",): 59,
        ("retry_budget_most_calls",): 61,
        ("source_heard_timestamp_seconds", "support"): 1_700_000_000,
        ("source_silent", "support"): 0,
        ("source_silent", "sales"): 1,
        ("bulk_left",): 67,
    }
    samples = told(AccountMetrics(FIGURES))
    assert {name: samples.get(name) for name in expected} == expected


def test_what_is_well_is_told_too():
    """An account in which nothing is wrong says so with the same names."""
    well = Account(paused=False, why=None, until_ms=None, detail=None, read_lag_ms=0)
    lost = replace(STATS, accepted=8, account=well)
    samples = told(AccountMetrics(replace(FIGURES, seen=replace(SEEN, stats=lost))))
    names = (("balanced",), ("paused",), ("credentials_ok",), ("redis_durable",), ("breaker", "closed"))
    assert [samples[name] for name in names] == [0, 0, 1, 0, 1]


def test_without_redis_only_that_is_told():
    """A number that nobody knows is not told as 0."""
    samples = told(AccountMetrics(None))
    assert samples.pop(("ledger_up",)) == 0
    assert [name for name, *_ in samples] == ["build_info"]


@pytest.mark.parametrize("waited_seconds", [90, None])
def test_what_waits_on_the_disk(waited_seconds: int | None):
    """A spool is told with how long the first in it has waited; where there is none nothing is."""
    clock = HandClock()
    oldest_ms = None if waited_seconds is None else clock.now_ms() - 1_000 * waited_seconds
    state = SpoolState(deliveries=2, oldest_ms=oldest_ms, refused=3, bytes=5, limit_bytes=7)
    samples = told(SpoolMetrics(lambda: state, clock))
    assert samples.pop(("spool_oldest_seconds",)) == (waited_seconds or 0)
    assert list(samples.values()) == [2, 3, 5, 7]
    assert told(SpoolMetrics(lambda: None, clock)) == {}


def test_an_answer_is_counted_with_its_time():
    """Answers by source, verdict and reason, and how long they took, in seconds."""
    metrics = ReceiverMetrics()
    metrics.answered("support", "accepted", "", 0.02)
    metrics.answered("support", "rejected", "not_json", 0.3)
    samples = told(metrics.registry)
    assert samples["deliveries_total", "support", "rejected", "not_json"] == 1
    assert samples["delivery_seconds_bucket", "0.025"] == 1
    assert samples["delivery_seconds_bucket", "0.5"] == 2
    assert samples["delivery_seconds_sum",] == pytest.approx(0.32)
