"""`POST /webhooks/{source}`: what becomes of an authentic delivery, from the running service."""

from __future__ import annotations

import pytest

from tests.edge.told import refused
from tests.running import SECRETS, Site, reply

MIB = 1024 * 1024


def test_a_reply_is_stored_and_queued_before_the_answer(site: Site):
    """An authentic new event is answered once record, indexes and job are in Redis."""
    answer = site.deliver()
    assert answer.status_code == 200
    assert answer.json() == {"status": "accepted", "reopen_id": answer.json()["reopen_id"]}
    reopen_id = answer.json()["reopen_id"]
    assert site.redis.hget(f"reopener:r:{reopen_id}", "text") == b"It broke again."
    assert site.redis.llen("rq:queue:reopener") == 1
    told = site.reopen(reopen_id)
    assert told["status"] == "queued"
    assert (told["source"], told["event_id"], told["ticket_id"]) == ("support", "msg_1", "4711")
    assert (told["contact_id"], told["thread_id"], told["deliveries"]) == (597752, 1683, 1)


def test_a_repeated_delivery_is_a_duplicate(site: Site):
    """The same event again answers with the same id, is counted, and queues nothing."""
    first = site.deliver().json()["reopen_id"]
    for _ in range(3):
        assert site.deliver().json() == {"status": "duplicate", "reopen_id": first}
    assert site.reopen(first)["deliveries"] == 4
    assert site.redis.llen("rq:queue:reopener") == 1
    assert site.stats()["accepted"] == 1


def test_another_body_under_a_known_id_is_a_conflict(site: Site):
    """A known event with another body is answered as a duplicate with a conflict; the first one stays."""
    first = site.deliver().json()["reopen_id"]
    other = site.deliver(reply(message="Something else."))
    assert other.json() == {"status": "duplicate", "reopen_id": first, "conflict": True}
    assert site.redis.hget(f"reopener:r:{first}", "text") == b"It broke again."


def test_dedupe_lasts_as_long_as_the_record(site: Site):
    """A delivery that comes after everything of RQ's is gone is still known by its record."""
    first = site.deliver().json()["reopen_id"]
    site.redis.delete(*site.redis.keys("rq:*"))
    assert site.redis.ttl(f"reopener:r:{first}") == -1
    assert site.deliver().json() == {"status": "duplicate", "reopen_id": first}


def test_an_event_id_belongs_to_its_source(site: Site):
    """The same id from two sources is two events."""
    first, second = site.deliver().json(), site.deliver(source="second").json()
    assert (first["status"], second["status"]) == ("accepted", "accepted")
    assert first["reopen_id"] != second["reopen_id"]


def test_a_secret_opens_its_own_source_only(site: Site):
    """A delivery that another source's secret signed is not authentic."""
    assert refused(site.deliver(secret="second"), 401) == "signature_mismatch"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (reply(author="agent"), "agent_reply"),
        (reply(author="system"), "system_message"),
        (reply(ticket_status="open"), "ticket_not_closed"),
        (reply(ticket_status="pending"), "ticket_not_closed"),
        ({**reply(), "type": "ticket.created"}, "event_type"),
    ],
)
def test_what_asks_for_nothing_is_ignored(site: Site, body, reason):
    """An authentic delivery with nothing to do is answered so, and leaves a note but no record."""
    assert site.deliver(body).json() == {"status": "ignored", "reason": reason}
    assert site.stats()["accepted"] == 0


def test_an_ignored_event_is_judged_anew(site: Site):
    """An event that was ignored is accepted when it comes again and asks for something."""
    assert site.deliver(reply(ticket_status="open")).json()["status"] == "ignored"
    assert site.deliver(reply(ticket_status="closed")).json()["status"] == "accepted"


@pytest.mark.parametrize("status", ["closed", "solved", "Closed", None])
def test_a_closed_ticket_counts(site: Site, status):
    """`closed`, `solved` and no status at all count as closed."""
    assert site.deliver(reply(ticket_status=status)).json()["status"] == "accepted"


@pytest.mark.parametrize(("contact", "thread"), [("597752", "1683"), (597752, "01683"), (2**62, 2**62 + 1)])
def test_ids_are_numbers_or_strings_of_digits(site: Site, contact, thread):
    """Ids of contact and thread may be written as digits, and keep all of their 64 bits."""
    answer = site.deliver(reply(contact_id=contact, thread_id=thread)).json()
    assert answer["status"] == "accepted"
    told = site.reopen(answer["reopen_id"])
    assert (told["contact_id"], told["thread_id"]) == (int(contact), int(thread))


@pytest.mark.parametrize(
    "bad", [0, -1, 1.5, 597752.0, True, "", " ", "12a", "-3", "٣", [1], {"id": 1}, "9" * 60]
)
@pytest.mark.parametrize("field", ["contact_id", "thread_id"])
def test_ids_of_any_other_shape_hold(site: Site, field, bad):
    """What is no positive whole number and no string of digits is kept for a person, and can be resolved."""
    answer = site.deliver(reply(**{field: bad})).json()
    assert answer == {
        "status": "held",
        "reopen_id": answer["reopen_id"],
        "reason": field.replace("_id", "_unknown"),
    }
    resolved = site.api(
        "POST", f"/api/reopens/{answer['reopen_id']}/resolve", {"contact_id": 1, "thread_id": 2}
    )
    assert resolved.json()["status"] == "queued"


@pytest.mark.parametrize(
    ("missing", "reason"), [("contact_id", "contact_unknown"), ("thread_id", "thread_unknown")]
)
def test_what_nobody_knows_is_held(site: Site, missing, reason):
    """Without contact or thread the event is kept for a person; it is known when it comes again."""
    answer = site.deliver(reply(**{missing: None})).json()
    assert (answer["status"], answer["reason"]) == ("held", reason)
    told = site.reopen(answer["reopen_id"])
    assert (told["status"], told["reason"]) == ("held", reason)
    again = site.deliver(reply(**{missing: None})).json()
    assert (again["status"], again["reopen_id"]) == ("duplicate", answer["reopen_id"])


def test_a_link_knows_contact_and_thread(site: Site):
    """The link table is asked where the payload does not know."""
    site.api("PUT", "/api/links/support/4711", {"contact_id": 5, "thread_id": 6})
    answer = site.deliver(reply(contact_id=None, thread_id=None)).json()
    assert answer["status"] == "accepted"
    told = site.reopen(answer["reopen_id"])
    assert (told["contact_id"], told["thread_id"]) == (5, 6)


def test_several_events_of_one_reply_are_one(site: Site):
    """Two event ids with the same ticket and message id are one reopen."""
    body = reply(message_id="m-1")
    first = site.deliver(body, event_id="msg_1").json()
    second = site.deliver(body, event_id="msg_2").json()
    assert second == {"status": "duplicate", "reopen_id": first["reopen_id"]}
    assert site.deliver(body, event_id="msg_2").json() == second
    third = site.deliver(reply(message_id="m-1", ticket_id="4712"), event_id="msg_3").json()
    assert third["status"] == "accepted"


def post_trigger(site: Site, body: object):
    headers = {"x-secret": SECRETS["TRIGGER_SECRET"]}
    return site.client.post("/webhooks/trigger", json=body, headers=headers).json()


def test_without_an_id_the_body_stands_for_it_for_a_while(site: Site):
    """Where a kind has no event id, the body stands for it for as long as its helpdesk repeats it."""
    first = post_trigger(site, reply())
    assert first["status"] == "accepted"
    assert post_trigger(site, reply()) == {"status": "duplicate", "reopen_id": first["reopen_id"]}
    assert post_trigger(site, reply(message="Another."))["status"] == "accepted"
    for key in site.redis.keys("reopener:weak:*"):
        first_id, came_ms = site.redis.get(key).decode().split(":")
        assert site.redis.pttl(key) > 86_400_000
        site.redis.set(key, f"{first_id}:{int(came_ms) - 86_400_000}", keepttl=True)
    later = post_trigger(site, reply())
    assert later["status"] in {"accepted", "held"}
    assert later["reopen_id"] != first["reopen_id"]


def test_a_blank_id_holds(site: Site):
    """An event whose id is blank is kept for a person; its body stands for the id when it comes again."""
    first = site.deliver(event_id="").json()
    assert first == {"status": "held", "reopen_id": first["reopen_id"], "reason": "event_id_blank"}
    again = site.deliver(event_id="").json()
    assert again == {"status": "duplicate", "reopen_id": first["reopen_id"]}
    assert site.deliver(reply(message="Another."), event_id="").json()["status"] == "held"
