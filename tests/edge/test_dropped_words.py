"""The customer's words are dropped once they are in Acquire, and read back where they are wanted again."""

from __future__ import annotations

from tests.running import Whole, everything, reply

WORDS = "The heliotrope kettle is leaking."


def sent(whole: Whole, event_id: str, **data: object) -> str:
    answer = whole.deliver(reply(message=WORDS, **data), event_id=event_id)
    return answer.json()["reopen_id"]


def messages(whole: Whole) -> list[str]:
    return [message["message"] for case in whole.cases(1683) for message in case["messages"]]


def test_words_are_dropped_when_they_are_in_acquire(whole: Whole):
    """Once a case or a message carries them, nothing in Redis does; a dead one keeps them for its retry."""
    whole.until(sent(whole, "msg_1"), "reopened")
    whole.until(sent(whole, "msg_2"), "appended")
    assert "heliotrope" not in everything(whole.redis)
    whole.faults({"kind": "status", "status": 422, "on": "create"})
    whole.until(sent(whole, "msg_3", thread_id=1700), "dead")
    assert "heliotrope" in everything(whole.redis)


def test_what_runs_again_takes_its_words_from_acquire(whole: Whole):
    """A reopened one that is done once more brings its words again, and so does one that was appended."""
    for event_id, status in (("msg_1", "reopened"), ("msg_2", "appended")):
        first = whole.until(sent(whole, event_id), status)
        again = whole.api("POST", f"/api/reopens/{first['id']}/run-again", {"reason": "asked"}).json()
        whole.until(again["id"], "appended")
    assert messages(whole).count(WORDS) == 4
    assert "heliotrope" not in everything(whole.redis)


def test_words_that_acquire_does_not_show_are_asked_for(whole: Whole):
    """Where Acquire shows no texts, what runs again is held, and goes on with the words it is given."""
    first = whole.until(sent(whole, "msg_1"), "reopened")
    whole.faults({"kind": "textless", "on": "read"})
    again = whole.api("POST", f"/api/reopens/{first['id']}/run-again", {"reason": "asked"}).json()
    held = whole.until(again["id"], "held")
    assert held["reason"] == "words_not_shown"
    told = {"reason": "asked", "message": WORDS}
    last = whole.api("POST", f"/api/reopens/{held['id']}/run-again", told).json()
    whole.until(last["id"], "appended")
    assert messages(whole).count(WORDS) == 2
