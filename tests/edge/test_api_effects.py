"""What becomes of reopens with a worker and the sandbox behind the API: statuses, attempts, threads."""

from __future__ import annotations

import pytest

from tests.edge.told import faults, refused
from tests.running import Whole, reply, until

REOPEN_FIELDS = {"number", "started_at", "ended_at", "outcome", "http_status", "error"}


def sent(whole: Whole, event_id: str = "msg_1", **data: object) -> str:
    """The id of a new reopen."""
    answer = whole.deliver(reply(**data), event_id=event_id)
    assert answer.json()["status"] == "accepted", answer.text
    return answer.json()["reopen_id"]


def test_the_main_job(whole: Whole):
    """A reply to a closed case makes a new case of the thread with the customer's words; its id is kept."""
    told = whole.until(sent(whole), "reopened")
    [attempt] = told["attempts"]
    assert set(attempt) >= REOPEN_FIELDS
    assert (attempt["number"], attempt["outcome"], attempt["http_status"]) == (1, "reopened", 200)
    assert attempt["started_at"] <= attempt["ended_at"]
    [case] = [case for case in whole.cases(1683) if case["id"] != 1683]
    assert (case["id"], case["parentId"], case["contact"]["id"]) == (told["new_case_id"], 1683, 597752)
    assert [message["message"] for message in case["messages"]] == ["It broke again."]
    assert case["title"] == "4711"
    for prefix in (str(case["id"]), str(case["id"])[:3]):
        found = whole.api("GET", "/api/reopens", params={"q": prefix}).json()["reopens"]
        assert [each["id"] for each in found] == [told["id"]]


def test_an_open_case_gets_the_reply(whole: Whole):
    """While the thread has an open case, the reply is appended to it, and no case is made."""
    first = whole.until(sent(whole), "reopened")
    second = whole.until(sent(whole, "msg_2", message="And again."), "appended")
    assert second["new_case_id"] == first["new_case_id"]
    assert second["attempts"][0]["outcome"] == "appended"
    [case] = [case for case in whole.cases(1683) if case["id"] != 1683]
    assert [message["message"] for message in case["messages"]] == ["It broke again.", "And again."]


def test_attempts_in_a_row_follow_one_another(whole: Whole):
    """Where the case closes before the append, the refused attempt has ended when the next begins."""
    whole.until(sent(whole), "reopened")
    whole.faults({"kind": "close", "on": "append", "count": 1})
    refusal, second = whole.until(sent(whole, "msg_2"), "reopened")["attempts"]
    assert [refusal["outcome"], second["outcome"]] == ["refused", "reopened"]
    assert refusal["started_at"] <= refusal["ended_at"] <= second["started_at"] <= second["ended_at"]


def test_words_as_long_as_a_delivery_may_be_do_not_block_their_thread(whole: Whole):
    """A message of nearly 1 MiB is in the open case, and the reply after it is appended too."""
    statuses = []
    for number, message in enumerate(["It broke.", "x" * 1_000_000, "And another thing."]):
        accepted = whole.deliver(reply(message=message), event_id=f"long-{number}").json()
        statuses.append(whole.until(accepted["reopen_id"], "reopened", "appended", "dead")["status"])
    assert statuses == ["reopened", "appended", "appended"]


def test_without_words_an_open_case_is_left_alone(whole: Whole):
    """Where the case is open and the event carries no text, it ends skipped."""
    whole.until(sent(whole), "reopened")
    assert whole.until(sent(whole, "msg_2", message=""), "skipped")["attempts"][0]["outcome"] == "skipped"


def test_a_closed_case_is_reopened_once_more(whole: Whole):
    """Once the new case is closed, the next reply makes another one of the same thread."""
    first = whole.until(sent(whole), "reopened")
    whole.sandbox.post(f"/_sandbox/cases/{first['new_case_id']}/close").raise_for_status()
    second = whole.until(sent(whole, "msg_2"), "reopened")
    assert second["new_case_id"] > first["new_case_id"]
    thread = whole.api("GET", "/api/threads/1683").json()
    assert (thread["thread_id"], thread["contact_id"]) == (1683, 597752)
    assert thread["current_case_id"] == second["new_case_id"]
    assert [case["id"] for case in thread["cases"]] == [1683, first["new_case_id"], second["new_case_id"]]
    by_id = {case["id"]: case for case in thread["cases"]}
    assert by_id[first["new_case_id"]]["reopen_id"] == first["id"]
    assert by_id[second["new_case_id"]]["reopen_id"] == second["id"]
    assert by_id[1683]["status"] == "closed"
    assert all(set(case) >= {"id", "status", "created_at", "seen_at", "reopen_id"} for case in by_id.values())
    assert [each["id"] for each in thread["reopens"]] == [first["id"], second["id"]]
    of_case = whole.api("GET", f"/api/threads/{second['new_case_id']}")
    assert of_case.status_code in {200, 404}


def test_a_thread_shows_its_cases_oldest_first_whatever_their_ids(whole: Whole):
    """The root comes first and is not the current case, also where its id is higher; each has its time."""
    root = 900_000
    made = whole.until(sent(whole, thread_id=root), "reopened")["new_case_id"]
    assert made < root
    thread = whole.api("GET", f"/api/threads/{root}").json()
    assert [case["id"] for case in thread["cases"]] == [root, made]
    assert all(case["created_at"] for case in thread["cases"])
    whole.sandbox.post(f"/_sandbox/cases/{made}/close").raise_for_status()
    again = whole.until(sent(whole, "msg_2", thread_id=root), "reopened")["new_case_id"]
    whole.sandbox.post(f"/_sandbox/cases/{again}/close").raise_for_status()
    last = whole.until(sent(whole, "msg_3", thread_id=root), "reopened")["new_case_id"]
    thread = whole.api("GET", f"/api/threads/{root}").json()
    assert [case["id"] for case in thread["cases"]] == [root, made, again, last]
    assert thread["current_case_id"] == last


def test_what_nothing_tells_the_owner_of_is_held_without_asking_acquire(whole: Whole):
    """A held reply without an address that is cancelled and retried is held again, as unknown."""
    reopen_id = whole.deliver(reply(contact_id=None, thread_id=None), event_id="msg_1").json()["reopen_id"]
    whole.api("POST", f"/api/reopens/{reopen_id}/cancel")
    whole.api("POST", f"/api/reopens/{reopen_id}/retry")
    told = whole.until(reopen_id, "held")
    assert (told["reason"], "address" in told["detail"]) == ("contact_unknown", False)
    assert whole.sandbox.get("/_sandbox/calls").json()["calls"] == []


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_for_good_is_dead_and_can_be_retried(whole: Whole, status):
    """400, 404 and 422 end dead at once with Acquire's words; a retry goes on, with attempts numbered on."""
    whole.faults(
        {"kind": "status", "status": status, "on": "create", "body": '{"message": "No such thing."}'}
    )
    dead = whole.until(sent(whole), "dead")
    assert "No such thing." in dead["reason"]
    assert [(each["outcome"], each["http_status"]) for each in dead["attempts"]] == [("refused", status)]
    whole.faults()
    assert whole.api("POST", f"/api/reopens/{dead['id']}/retry").json()["status"] in {"queued", "running"}
    done = whole.until(dead["id"], "reopened")
    assert [each["number"] for each in done["attempts"]] == [1, 2]
    assert refused(whole.api("POST", f"/api/reopens/{dead['id']}/retry"), 409) == "conflict"
    assert refused(whole.api("POST", f"/api/reopens/{dead['id']}/cancel"), 409) == "conflict"


def test_what_could_not_be_sent_is_tried_again(whole: Whole):
    """While the call is cut before Acquire acts, it is looked and tried again, and one case comes of it."""
    whole.faults({"kind": "status", "status": 429, "retry_after": 1, "on": "create", "count": 1})
    reopen_id = sent(whole)
    waiting = until(lambda: told if (told := whole.reopen(reopen_id))["next_attempt_at"] else None)
    assert waiting["status"] in {"queued", "retrying"}
    assert waiting["next_attempt_at"] >= waiting["created_at"]
    done = whole.until(reopen_id, "reopened")
    assert done["next_attempt_at"] is None
    assert len(whole.cases(1683)) == 2


def test_a_lost_answer_is_found_again(whole: Whole):
    """Where the case was made and the answer lost, that case is adopted, and none is made twice."""
    whole.faults({"kind": "drop_after", "on": "create", "count": 1})
    told = whole.until(sent(whole), "reopened")
    assert told["attempts"][0]["outcome"] == "adopted"
    assert [case["id"] for case in whole.cases(1683)] == [1683, told["new_case_id"]]


def test_what_cannot_be_read_is_held_with_its_id(whole: Whole):
    """Where Acquire shows a new case without its words, a person is told which one to look at."""
    whole.faults({"kind": "drop_after", "on": "create"}, {"kind": "textless"})
    held = whole.until(sent(whole), "held")
    (made,) = (case["id"] for case in whole.cases(1683) if case["id"] != 1683)
    assert (held["reason"], f"case {made}" in held["detail"]) == ("effect_unreadable", True)


def test_an_unknown_outcome_shows_when_it_is_looked_at_next(whole: Whole):
    """While the outcome is unknown it is checking, with the time of the next look; no verb takes it."""
    whole.faults({"kind": "drop_before", "on": "create", "count": 1})
    reopen_id = sent(whole)
    whole.until(reopen_id, "checking")
    looked_at = until(lambda: told if (told := whole.reopen(reopen_id))["next_attempt_at"] else None)
    assert looked_at["status"] == "checking"
    assert refused(whole.api("POST", f"/api/reopens/{reopen_id}/cancel"), 409) == "conflict"
    assert refused(whole.api("POST", f"/api/reopens/{reopen_id}/retry"), 409) == "conflict"
    done = whole.until(reopen_id, "reopened")
    assert [each["outcome"] for each in done["attempts"]] == ["unknown", "reopened"]
    assert len(whole.cases(1683)) == 2


@pytest.mark.parametrize("fault", ["wrong_thread", "existing_id"])
def test_what_acted_elsewhere_is_held(whole: Whole, fault):
    """A readable answer for another thread or a known case is never sent again: only run-again goes on."""
    whole.faults({"kind": fault, "on": "create", "count": 1})
    held = whole.until(sent(whole), "held")
    assert held["reason"] == "acted_elsewhere"
    assert any(character.isdigit() for character in held["detail"])
    path = f"/api/reopens/{held['id']}"
    assert "run-again" in refused_words(whole.api("POST", f"{path}/retry"), 409)
    refused_words(whole.api("POST", f"{path}/resolve", {"contact_id": 1, "thread_id": 2}), 409)
    assert refused(whole.api("POST", f"{path}/run-again", {}), 400) == "bad_reason"
    again = whole.api("POST", f"{path}/run-again", {"reason": "seen by hand"}).json()
    assert again["id"] != held["id"]
    assert (again["again_of"], again["again_reason"]) == (held["id"], "seen by hand")
    assert whole.until(again["id"], "reopened")["new_case_id"]
    assert whole.stats()["balanced"]


def refused_words(answer, status: int) -> str:
    refused(answer, status)
    return answer.json()["error"]["message"]


def test_a_finished_one_runs_again(whole: Whole):
    """A finished reopen is done once more as a new one linked to it; one Idempotency-Key does it once."""
    first = whole.until(sent(whole), "reopened")
    path, told = f"/api/reopens/{first['id']}/run-again", {"reason": "the agent asked"}
    headers = {"idempotency-key": "again-1"}
    again = whole.api("POST", path, told, headers=headers).json()
    assert whole.api("POST", path, told, headers=headers).json()["id"] == again["id"]
    assert whole.until(again["id"], "appended")["again_of"] == first["id"]
    assert whole.stats()["accepted"] == 2


def test_refused_credentials_stop_the_account(whole: Whole):
    """401 stops everything loudly and spends no attempt; webhooks are taken all the while."""
    whole.faults({"kind": "status", "status": 401})
    reopen_id = sent(whole)
    stats = until(lambda: told if (told := whole.stats())["breaker"] == "open" else None)
    assert stats["stopped"]["reason"] == "credentials_refused"
    told = whole.until(reopen_id, "retrying")
    assert told["next_attempt_at"] == stats["stopped"]["until"]
    assert not [each for each in told["attempts"] if each["outcome"] not in {"not_sent", "interrupted"}]
    sent(whole, "msg_2")
    assert whole.stats()["waiting"] == 2


def test_while_paused_nothing_is_taken(whole: Whole):
    """Paused workers take nothing, webhooks are taken all the while; resuming brings all to an end."""
    whole.api("POST", "/api/pause")
    ids = [sent(whole, f"msg_{n}", thread_id=2000 + n) for n in range(3)]
    assert whole.stats()["paused"]
    whole.sandbox.get("/_sandbox/calls").raise_for_status()
    assert {whole.reopen(each)["status"] for each in ids} == {"queued"}
    whole.api("POST", "/api/resume")
    for each in ids:
        whole.until(each, "reopened")


def test_by_hand_and_by_link(whole: Whole):
    """What was started by the API, and what a link let go, ends like any other, in order."""
    held = [
        whole.deliver(reply(thread_id=None, message=f"Words {n}."), event_id=f"msg_{n}").json()["reopen_id"]
        for n in range(3)
    ]
    whole.api("PUT", "/api/links/support/4711", {"contact_id": 597752, "thread_id": 1683})
    told = [whole.until(each, "reopened", "appended") for each in held]
    assert [each["status"] for each in told] == ["reopened", "appended", "appended"]
    case = next(case for case in whole.cases(1683) if case["id"] != 1683)
    assert [message["message"] for message in case["messages"]] == ["Words 0.", "Words 1.", "Words 2."]
    started = whole.api(
        "POST",
        "/api/reopens",
        {"contact_id": 597752, "thread_id": 1683, "message": "By hand."},
        headers={"idempotency-key": "1"},
    ).json()
    assert whole.until(started["id"], "appended")["new_case_id"] == case["id"]
    assert whole.stats()["balanced"]


def test_what_is_retried_goes_by_the_link_that_was_put_since(whole: Whole):
    """A reply without a thread is cancelled, its ticket linked, and the reply retried: it reaches Acquire."""
    held = whole.deliver(reply(thread_id=None)).json()["reopen_id"]
    whole.api("POST", f"/api/reopens/{held}/cancel").raise_for_status()
    whole.api("PUT", "/api/links/support/4711", {"contact_id": 597752, "thread_id": 1683})
    whole.api("POST", f"/api/reopens/{held}/retry").raise_for_status()
    assert whole.until(held, "reopened", "held")["status"] == "reopened"
    assert whole.reopen(held)["thread_id"] == 1683


def test_answers_are_what_openapi_says(whole: Whole):
    """What the API answers has every field that `/openapi.json` tells of, and no other."""
    document = whole.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    first = whole.until(sent(whole), "reopened")
    whole.deliver(reply(thread_id=None), event_id="msg_2")
    whole.deliver(reply(author="agent"), event_id="msg_3")
    whole.deliver(event_id="msg_4", age_seconds=9999)
    until(lambda: len(whole.api("GET", "/api/deliveries").json()["deliveries"]) >= 4)
    again = {"reason": "to see"}
    link = "/api/links/support/4711"
    asked = [
        ("get", "/api/reopens", "/api/reopens", None),
        ("get", "/api/reopens/{id}", f"/api/reopens/{first['id']}", None),
        ("post", "/api/reopens/{id}/run-again", f"/api/reopens/{first['id']}/run-again", again),
        ("post", "/api/reopens/retry", "/api/reopens/retry", {"status": "dead"}),
        ("get", "/api/bulk", "/api/bulk", None),
        ("put", "/api/links/{source}/{ticket_id}", link, {"contact_id": 1, "thread_id": 2}),
        ("get", "/api/links/{source}/{ticket_id}", link, None),
        ("get", "/api/threads/{thread_id}", "/api/threads/1683", None),
        ("get", "/api/deliveries", "/api/deliveries", None),
        ("get", "/api/stats", "/api/stats", None),
        ("post", "/api/pause", "/api/pause", None),
        ("post", "/api/resume", "/api/resume", None),
        ("get", "/healthz", "/healthz", None),
        ("get", "/readyz", "/readyz", None),
    ]
    for method, shape, path, body in asked:
        answer = whole.api(method.upper(), path, body)
        told = document["paths"][shape][method]["responses"][str(answer.status_code)]
        schema = told["content"]["application/json"]["schema"]
        assert faults(answer.json(), schema, schemas, path) == []
    taken = whole.deliver(event_id="msg_5")
    assert faults(taken.json(), schemas["Taken"], schemas) == []
    assert faults(whole.client.get("/api/stats").json(), schemas["Error"], schemas) == []
