from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from datetime import datetime

import pytest

from service.domain.decide import Accept, Hold, Ignore, decide
from service.sources import KINDS, Malformed
from tests.unit.sources.deliveries import payload_cases, request_of, source_of
from tests.unit.sources.test_arbitrary_requests import places

CASES = payload_cases()
IDS = [f"{kind}-{case['name']}" for kind, case in CASES]


def events(kind, case):
    source = source_of(kind, "unused", **case.get("options", {}))
    return source, KINDS[kind].read(request_of(case["payload"], case.get("headers")), source)


@pytest.mark.parametrize(("kind", "case"), CASES, ids=IDS)
def test_a_published_payload_reads_as_its_publisher_says(kind, case):
    """Each value of a captured or documented payload is found where its helpdesk puts it."""
    _, found = events(kind, case)
    if case["payload"] == []:
        assert found == []
        return
    [event] = found
    expected = dict(case["expected"])
    expected["occurred_at"] = expected["occurred_at"] and datetime.fromisoformat(expected["occurred_at"])
    if expected["event_id"] is None:
        assert event.event_id == "" or event.weak_id_window_seconds
        del expected["event_id"]
    assert {name: getattr(event, name) for name in expected} == expected


@pytest.mark.parametrize(("kind", "case"), CASES, ids=IDS)
def test_only_a_customers_reply_goes_on(kind, case):
    """What is a customer's reply is accepted, what is none is ignored, what cannot be told is held."""
    wanted = {True: Accept, False: Ignore, None: Hold}[case["is_customer_reply"]]
    source, found = events(kind, case)
    assert [type(decide(event, KINDS[kind].rules(source))) for event in found] == [wanted] * len(found)


ODD = (None, True, -7, 1.5, "", "9" * 5000, [], [{}], {}, {"type": {}})


@pytest.mark.parametrize(("kind", "case"), CASES, ids=IDS)
def test_a_published_payload_with_anything_anywhere_is_judged(kind, case):
    """Whatever stands in any one place of what a helpdesk sends: events, or Malformed."""
    payload = deepcopy(case["payload"])
    everywhere = list(places(payload))
    for holder, step in everywhere:
        was = holder[step]
        for value in ODD:
            holder[step] = value
            with suppress(Malformed):
                source, found = events(kind, {**case, "payload": payload})
                for event in found:
                    decide(event, KINDS[kind].rules(source))
        holder[step] = was
    assert payload == case["payload"]
