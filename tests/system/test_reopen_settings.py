"""What `[reopen]` and `[acquire]` say reaches the workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import CONFIG, Whole, reply, whole_on

ACQUIRE = """[acquire]
body = { title = "{{ ticket_id }} {{ token }}" }
user_type = "contact"
"""
REOPEN = """[reopen]
on_open_case = "ignore"
on_unknown = "hold"
"""


@pytest.fixture
def other(tmp_path, redis_url) -> Iterator[Whole]:
    config = CONFIG.replace("[acquire]\n", ACQUIRE).replace("[reopen]\n", REOPEN)
    with whole_on(tmp_path, redis_url, config=config) as whole:
        yield whole


def test_settings_reach_the_workers(other: Whole):
    """An open case is left alone, an unknown outcome is a person's, and the body is as told."""
    made = other.until(_sent(other, "one"), "reopened")
    left = other.until(_sent(other, "two"), "skipped")
    assert (left["reason"], left["new_case_id"]) == ("case_open", made["new_case_id"])
    create = next(
        call for call in other.sandbox.get("/_sandbox/calls").json()["calls"] if call["call"] == "create"
    )
    assert ["x-user-type", "contact"] in create["query"]
    assert f'"title": "4711 rx-{made["id"][:12]}"' in create["body"]

    other.faults({"kind": "drop_before", "on": "create", "count": 1})
    assert other.until(_sent(other, "three", thread_id=3000), "held")["reason"] == "outcome_unknown"

    # It is a person's also where Acquire acted. Without its words, the case is known by its token.
    other.faults({"kind": "drop_after", "on": "create"}, {"kind": "textless"})
    lost = other.until(_sent(other, "four", thread_id=4000), "held")
    assert (lost["reason"], lost["attempts"][0]["outcome"]) == ("outcome_unknown", "unknown")
    ids = {"contact_id": lost["contact_id"], "thread_id": 4000}
    assert other.api("POST", f"/api/reopens/{lost['id']}/resolve", json=ids).status_code == 200
    known = other.until(lost["id"], "reopened")
    assert [attempt["outcome"] for attempt in known["attempts"]] == ["adopted"]


def _sent(whole: Whole, event_id: str, **data: object) -> str:
    answer = whole.deliver(reply(**data), event_id=event_id).json()
    assert answer["status"] == "accepted"
    return str(answer["reopen_id"])
