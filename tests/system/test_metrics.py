"""What Prometheus sees of the running service: the account as a whole, told by every receiver."""

from __future__ import annotations

import pytest

from tests.running import Whole, reply, site_on, until
from tests.system.scraped import scraped, value

OF_THE_PROCESS = ("reopener_deliveries_", "reopener_delivery_seconds", "process_", "reopener_redis_ping")
TIMES = ("reopener_oldest_waiting_seconds", "reopener_retry_budget_calls")


def test_every_receiver_tells_the_same_of_the_account(whole: Whole):
    """Events, ends, attempts, calls and waits of all processes show at any receiver, and stay exact."""
    forget_what_was_before(whole)
    whole.until(whole.deliver(event_id="one").json()["reopen_id"], "reopened")
    whole.until(whole.deliver(event_id="two").json()["reopen_id"], "appended")
    whole.deliver(event_id="one")
    whole.faults({"kind": "status", "on": "create", "status": 422})
    dead = whole.deliver(reply(thread_id=3000), source="second", event_id="dead").json()["reopen_id"]
    whole.until(dead, "dead")
    whole.faults()
    whole.deliver(reply(author="agent"), event_id="ignored")
    whole.deliver(event_id="forged", secret="second")
    until(lambda: value(whole, "attempts_total", outcome="refused"))
    until(lambda: value(whole, "received_total", source="support", verdict="rejected"))
    with site_on(whole.environment) as another:
        there, here = scraped(another), scraped(whole)
    expected = {
        ("received_total", "support", "accepted"): 2,
        ("received_total", "support", "duplicate"): 1,
        ("received_total", "support", "ignored"): 1,
        ("received_total", "support", "rejected"): 1,
        ("received_total", "second", "accepted"): 1,
        ("ended_total", "support", "reopened"): 1,
        ("ended_total", "support", "appended"): 1,
        ("ended_total", "second", "dead"): 1,
        ("reopens", "second", "dead"): 1,
        ("attempts_total", "reopened"): 1,
        ("attempts_total", "appended"): 1,
        ("attempts_total", "refused"): 1,
        ("calls_total", "reopen", "answered"): 1,
        ("calls_total", "reopen", "refused"): 1,
        ("calls_total", "append", "answered"): 1,
        ("call_seconds_count", "reopen"): 2,
        ("waited_seconds_count",): 2,
        ("accepted_total",): 3,
        ("balanced",): 1,
        ("stopped", "paused"): 0,
        ("breaker", "closed"): 1,
        ("credentials_ok",): 1,
        ("redis_durable",): 1,
        ("rate_limit_calls_per_second",): 0,
        ("pace_calls_per_second",): 0,
        ("bulk_left",): 0,
        ("source_silent", "support"): 0,
    }
    told = {
        (name.removeprefix("reopener_"), *(v for _, v in _in_order(labels))): number
        for (name, labels), number in here.items()
    }
    assert {name: told.get(name) for name in expected} == expected
    assert 0 < told["waited_seconds_sum",] < 60
    assert _of_account(here) == _of_account(there)
    assert ("reopener_deliveries_total", frozenset()) not in there
    assert not any(name == "reopener_deliveries_total" for name, _ in there), "a receiver that took none"


@pytest.mark.parametrize("reason", ["paused", "credentials_refused"])
def test_what_stops_the_account_shows(whole: Whole, reason: str):
    """A pause and a refused key show by their reason, and go when they are over."""
    if reason == "paused":
        whole.api("POST", "/api/pause")
    else:
        whole.faults({"kind": "status", "status": 401})
        whole.deliver(event_id="waits")
    until(lambda: value(whole, "stopped", reason=reason))
    assert value(whole, "credentials_ok") == (reason == "paused")
    whole.api("POST", "/api/resume")
    whole.faults()
    until(lambda: not value(whole, "stopped", reason=reason))


def test_labels_do_not_grow_with_what_comes_from_outside(whole: Whole):
    """Strangers' addresses, ids and tickets make no new series."""
    forget_what_was_before(whole)
    whole.deliver(event_id="first", secret="second")
    whole.client.post("/webhooks/first-stranger")
    until(lambda: value(whole, "received_total", source="support", verdict="rejected") == 1)
    before = set(scraped(whole))
    for number in range(20):
        whole.client.post(f"/webhooks/stranger-{number}", headers={"user-agent": f"{number}"})
        whole.deliver(reply(ticket_id=f"{number}"), event_id=f"{number}", secret="second")
    until(lambda: value(whole, "received_total", source="support", verdict="rejected") == 21)
    assert set(scraped(whole)) == before


def forget_what_was_before(whole: Whole) -> None:
    """The worker serves other tests too, and tells what it counted a moment later."""
    whole.until(whole.deliver(event_id="before").json()["reopen_id"], "reopened")
    until(lambda: value(whole, "attempts_total", outcome="reopened"))
    until(lambda: not whole.redis.hlen("reopener:leases"))
    whole.redis.delete(*whole.redis.scan_iter("reopener:*", count=1000))
    whole.sandbox.post("/_sandbox/reset")


def _in_order(labels: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
    order = ("source", "call", "answer", "verdict", "status", "outcome", "reason", "state", "le")
    return sorted(labels, key=lambda label: order.index(label[0]) if label[0] in order else -1)


def _of_account(samples: dict) -> dict:
    return {
        key: number for key, number in samples.items() if not key[0].startswith((*OF_THE_PROCESS, *TIMES))
    }
