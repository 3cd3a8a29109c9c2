"""Deliveries that come at the same time, and several in one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx

from service.clock import SystemClock
from service.settings import load
from service.sources import KINDS
from tests.running import ROOT, Site, reply, signed

COPIES = 50


def test_copies_at_the_same_time_make_one_reopen(site: Site):
    """50 copies of one delivery, each on a connection of its own, all get 200 with the id of one reopen."""
    content, headers = signed(reply())

    def post(_: int) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.post(f"{site.origin}/webhooks/support", content=content, headers=headers)

    with ThreadPoolExecutor(COPIES) as pool:
        answers = list(pool.map(post, range(COPIES)))
    assert [answer.status_code for answer in answers] == [200] * COPIES
    told = [answer.json() for answer in answers]
    assert len({each["reopen_id"] for each in told}) == 1
    assert sorted(each["status"] for each in told) == ["accepted", *["duplicate"] * (COPIES - 1)]
    assert not any("conflict" in each for each in told)
    assert site.reopen(told[0]["reopen_id"])["deliveries"] == COPIES
    assert site.redis.llen("rq:queue:reopener") == 1
    assert site.stats()["accepted"] == 1


def message(ticket_id: int, message_id: str) -> dict[str, object]:
    """One of HubSpot's events."""
    return {
        "subscriptionType": "conversation.newMessage",
        "objectId": ticket_id,
        "messageId": message_id,
        "messageType": "MESSAGE",
        "occurredAt": 1_700_000_000_000,
    }


def post_batch(site: Site, events: object) -> httpx.Response:
    """Post what HubSpot would, signed as it signs."""
    source = load(site.environment, role="serve", cwd=ROOT).sources["hubspot"]
    kind, now = KINDS["hubspot"], SystemClock().now()
    sample = kind.sample(source, url=f"{site.origin}/webhooks/hubspot", now=now, event_id="evt")
    request = kind.scheme.sign(replace(sample, body=json.dumps(events).encode()), source, now, None)
    return site.client.post("/webhooks/hubspot", content=request.body, headers=dict(request.headers))


def test_a_batch_is_answered_event_by_event(site: Site):
    """An array body gets one answer for each of its events, in order, and each is a reopen of its own."""
    site.api("PUT", "/api/links/hubspot/1", {"contact_id": 5, "thread_id": 6})
    events = [
        message(1, "m-1"),
        {**message(2, "m-2"), "subscriptionType": "contact.creation"},
        message(3, "m-3"),
        message(1, "m-1"),
    ]
    told = post_batch(site, events).json()
    assert told["status"] == "batch"
    accepted, ignored, held, repeated = told["results"]
    assert accepted == {"status": "accepted", "reopen_id": accepted["reopen_id"]}
    assert ignored == {"status": "ignored", "reason": "event_type"}
    assert held == {"status": "held", "reopen_id": held["reopen_id"], "reason": "contact_unknown"}
    assert repeated == {"status": "duplicate", "reopen_id": accepted["reopen_id"]}
    assert site.stats()["accepted"] == 2
    assert site.reopen(accepted["reopen_id"])["deliveries"] == 2
    reordered = post_batch(site, [*reversed(events), message(1, "m-4")]).json()["results"]
    assert [each["status"] for each in reordered] == [
        *("duplicate", "duplicate", "ignored", "duplicate"),
        "accepted",
    ]
    assert not any("conflict" in each for each in reordered)


def test_an_empty_batch_has_no_results(site: Site):
    """An empty array is a batch of nothing."""
    assert post_batch(site, []).json() == {"status": "batch", "results": []}


def test_a_batch_is_stored_as_a_whole_or_not_at_all(site: Site):
    """Where one part of a batch cannot be read, nothing of it is stored."""
    answer = post_batch(site, [message(1, "m-1"), "no event"])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_object"
    assert site.stats()["accepted"] == 0


def test_blank_ids_in_one_batch_are_events_of_their_own(site: Site):
    """Two events of a batch whose ids are blank are both kept for a person."""
    answer = post_batch(site, [message(1, ""), message(2, "")])
    assert answer.status_code == 200, answer.text
    told = answer.json()["results"]
    assert [each["status"] for each in told] == ["held", "held"]
    assert len({each["reopen_id"] for each in told}) == 2
