"""One reply, one reopen: the two events in which a helpdesk may tell of it, through the running service."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count

import pytest

from service.clock import SystemClock
from tests.system.desk import BY_NAME

threads = count(60_001)


def signed_anew(one, request, body):
    """The request with another body, as its helpdesk would sign it."""
    changed = replace(request, body=json.dumps(body).encode())
    return one.kind.scheme.sign(changed, one.source, SystemClock().now(), one.signing_key)


def zendesk(desk, **ids):
    """A comment, and the status that it changes."""
    one = BY_NAME["zendesk"]
    comment = desk.signed(one, **ids)
    body = json.loads(comment.body)
    changed = {"type": "zen:event-type:ticket.status_changed", "id": f"{body['id']}-status"}
    changed["event"] = {"current": "OPEN", "previous": "SOLVED"}
    return comment, signed_anew(one, comment, {**body, **changed})


def intercom(desk, **ids):
    """The same reply under the topics of conversation and ticket."""
    one = BY_NAME["intercom"]
    reply = desk.signed(one, **ids)
    body = json.loads(reply.body)
    topic = {"id": f"{body['id']}-ticket", "topic": "ticket.contact.replied"}
    return reply, signed_anew(one, reply, {**body, **topic})


def kustomer(desk, **ids):
    """The same message, in an event with another id."""
    one = BY_NAME["kustomer"]
    reply = desk.signed(one, **ids)
    return reply, signed_anew(one, reply, {**json.loads(reply.body), "id": f"other-{ids['ticket_id']}"})


def front(desk, **ids):
    """A message, as an app and as a rule at the same address tell of it."""
    both, rule = BY_NAME["front-both"], BY_NAME["front-rule"]
    app = desk.signed(both, **ids)
    event = json.loads(app.body)
    told = {**event["payload"], "id": f"{event['payload']['id']}-rule", "ours": event["ours"]}
    body = json.dumps(told).encode()
    by_rule = replace(app, body=body, headers={"content-type": "application/json"})
    return app, rule.kind.scheme.sign(by_rule, rule.source, SystemClock().now(), None)


def front_rule(desk, **ids):
    """A message, and the conversation's reopening that a rule tells of."""
    one = BY_NAME["front-rule"]
    message = desk.signed(one, **ids)
    body = json.loads(message.body)
    opened = {**body, "id": f"{body['id']}-reopen", "type": "reopen"}
    del opened["target"]
    return message, signed_anew(one, message, opened)


def freshchat(desk, **ids):
    """A message, and the conversation's reopening, which share nothing but conversation and moment."""
    one = BY_NAME["freshchat"]
    message = desk.signed(one, **ids)
    body = json.loads(message.body)
    said = body["data"]["message"]
    opened = {
        "actor": body["actor"],
        "action": "conversation_reopen",
        "action_time": body["action_time"],
        "data": {
            "reopen": {
                "reopener": "user",
                "reopener_id": body["actor"]["actor_id"],
                "interaction_id": f"{said['id']}-interaction",
                "conversation": {"conversation_id": said["conversation_id"], "status": "reopened"},
            }
        },
        "ours": body["ours"],
    }
    return message, signed_anew(one, message, opened)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned round"])
@pytest.mark.parametrize("helpdesk", [zendesk, intercom, kustomer, front, front_rule, freshchat])
def test_two_events_of_one_reply_are_one_reopen(desk, helpdesk, turned):
    """Whichever comes first, both get their 200, and there is one record, one case, and the words once."""
    thread_id = next(threads)
    pair = helpdesk(desk, ticket_id=f"13{thread_id}", contact_id=597752, thread_id=thread_id)
    answers = [desk.sends(request).json() for request in (reversed(pair) if turned else pair)]
    told = {answer["reopen_id"] for answer in answers if "reopen_id" in answer}
    assert len(told) == 1, answers
    assert {answer["status"] for answer in answers} <= {"accepted", "duplicate", "ignored"}
    found = desk.whole.until(*told, "reopened")
    # Sent again, in either order, both are known.
    again = [desk.sends(request).json() for request in pair]
    assert {answer["reopen_id"] for answer in again if "reopen_id" in answer} == told
    listed = desk.whole.api("GET", f"/api/reopens?q=13{thread_id}").json()["reopens"]
    assert [each["id"] for each in listed] == [found["id"]]
    made = [case for case in desk.whole.cases(thread_id) if case["id"] != thread_id]
    assert [[message["message"] for message in case["messages"]] for case in made] == [["It broke again."]]


@pytest.mark.parametrize("which", [0, 1], ids=["message", "reopening"])
def test_either_half_of_freshchats_reply_alone_is_enough(desk, which):
    """Where only the message or only the reopening comes, the conversation is reopened all the same."""
    thread_id = next(threads)
    pair = freshchat(desk, ticket_id=f"13{thread_id}", contact_id=597752, thread_id=thread_id)
    told = desk.sends(pair[which]).json()
    assert told["status"] == "accepted"
    assert desk.whole.until(told["reopen_id"], "reopened")["thread_id"] == thread_id


def test_a_reply_that_follows_another_is_its_own(desk):
    """Two messages of one conversation at once, and one reopening between them: two records, none lost."""
    thread_id = next(threads)
    ids = {"ticket_id": f"13{thread_id}", "contact_id": 597752, "thread_id": thread_id}
    message, opened = freshchat(desk, **ids)
    second, _ = freshchat(desk, **ids, message="And once more.")
    answers = [desk.sends(request).json() for request in (message, opened, second)]
    assert [answer["status"] for answer in answers] == ["accepted", "duplicate", "accepted"]
    assert answers[1]["reopen_id"] == answers[0]["reopen_id"] != answers[2]["reopen_id"]
    desk.whole.until(answers[2]["reopen_id"], "appended")
    [made] = [case for case in desk.whole.cases(thread_id) if case["id"] != thread_id]
    assert [each["message"] for each in made["messages"]] == ["It broke again.", "And once more."]


def test_a_replayed_trigger_of_zendesk_is_known(desk):
    """A trigger's id is in an unsigned header: the same signed body under another id makes no new reply."""
    one = BY_NAME["zendesk"]
    thread_id = next(threads)
    told = {"ticket_id": f"13{thread_id}", "ticket_status": "solved", "author": "customer"}
    told["message"] = "It broke again."
    body = {"type": "ticket.customer_replied", "timestamp": SystemClock().now().isoformat(), "data": told}
    body["ours"] = {"contact_id": 597752, "thread_id": thread_id}
    first = signed_anew(one, desk.signed(one), body)
    ids = [
        {**first.headers, "x-zendesk-webhook-invocation-id": each}
        for each in ("one", "one", "another", "third")
    ]
    answers = [desk.sends(replace(first, headers=headers)).json() for headers in ids]
    assert [answer["status"] for answer in answers] == ["accepted", *["duplicate"] * 3]
    assert len({answer["reopen_id"] for answer in answers}) == 1
    desk.whole.until(answers[0]["reopen_id"], "reopened")
    assert len([case for case in desk.whole.cases(thread_id) if case["id"] != thread_id]) == 1
