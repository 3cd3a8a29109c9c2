"""Acquire's own webhooks: a thread's state is fresh without a look, and what waits goes on at once."""

from __future__ import annotations

import pytest

from tests.running import until
from tests.system.desk import BY_NAME


def tells(desk, case_id, status):
    """Acquire posts that a case has this status, signed with the webhook's secret."""
    one = BY_NAME["acquire"]
    request = desk.signed(one, ticket_id=str(case_id))
    body = request.body.replace(b'"closed"', f'"{status}"'.encode())
    signed = one.kind.scheme.sign(
        type(request)(request.method, request.url, request.headers, body, {}), one.source, None, None
    )
    answer = desk.sends(signed)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"status": "ignored", "reason": "case_status"}


def status_of(desk, thread_id, case_id):
    cases = desk.whole.api("GET", f"/api/threads/{thread_id}").json()["cases"]
    return next(case["status"] for case in cases if case["id"] == case_id)


def test_a_closed_case_is_known_as_closed_without_a_look(desk):
    """The thread's page shows what Acquire told, of the case that we made and of the first one."""
    reopen_id = desk.reply("standard", ticket_id="N1", contact_id=91_001, thread_id=91_100)["reopen_id"]
    case_id = desk.whole.until(reopen_id, "reopened")["new_case_id"]
    assert status_of(desk, 91_100, case_id) == "active"
    calls = desk.whole.sandbox.get("/_sandbox/calls?limit=1").json()["counts"]
    tells(desk, case_id, "closed")
    until(lambda: status_of(desk, 91_100, case_id) == "closed")
    tells(desk, 91_100, "active")
    until(lambda: status_of(desk, 91_100, 91_100) == "active")
    assert desk.whole.sandbox.get("/_sandbox/calls?limit=1").json()["counts"] == calls


def test_a_waiting_reply_goes_on_when_its_case_becomes_active(desk):
    """While the open case is pending, a reply waits; Acquire's event wakes it before its time."""
    desk.whole.faults({"kind": "pending", "rate": 1})
    first = desk.reply("standard", ticket_id="N2", contact_id=92_001, thread_id=92_100)
    case_id = desk.whole.until(first["reopen_id"], "reopened")["new_case_id"]
    second = desk.reply("standard", ticket_id="N2", contact_id=92_001, thread_id=92_100, message="And this.")
    waiting = desk.whole.until(second["reopen_id"], "retrying")
    assert waiting["reason"] == "case_not_active"
    desk.whole.faults()
    desk.whole.sandbox.post(f"/_sandbox/cases/{case_id}/activate").raise_for_status()
    tells(desk, case_id, "active")
    found = desk.whole.until(second["reopen_id"], "appended")
    assert found["new_case_id"] == case_id
    assert found["updated_at"] < waiting["next_attempt_at"]


@pytest.mark.parametrize("case_id", ["999999999999", "0", "x", "1683 "])
def test_news_of_an_unknown_case_changes_nothing(desk, case_id):
    """A case of no thread that we know, or no case at all, is answered alike and leaves nothing behind."""
    reopen_id = desk.reply("standard", ticket_id="N3", contact_id=93_001, thread_id=93_100)["reopen_id"]
    known = desk.whole.until(reopen_id, "reopened", "appended")["new_case_id"]
    desk.whole.redis.hdel("reopener:t:93100", f"s:{known}")
    before = set(desk.whole.redis.keys("reopener:t:*"))
    tells(desk, case_id, "closed")
    # What is told is noted in order.
    tells(desk, known, "active")
    until(lambda: desk.whole.redis.hexists("reopener:t:93100", f"s:{known}"))
    assert set(desk.whole.redis.keys("reopener:t:*")) == before
