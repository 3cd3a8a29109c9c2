"""`POST /webhooks/{source}`: each answer of the contract's table, from the running service."""

from __future__ import annotations

import json
import logging
import socket
from urllib.parse import urlsplit

import pytest

from tests.edge.told import refused
from tests.running import SECRETS, Site, reply, signed, until

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


def test_tolerance_holds_in_both_directions(site: Site):
    """Timestamps up to the tolerance off pass, older and later ones do not."""
    for age in (295, -295):
        assert site.deliver(event_id=f"in-{age}", age_seconds=age).status_code == 200
    assert refused(site.deliver(event_id="old", age_seconds=305), 401) == "timestamp_too_old"
    assert refused(site.deliver(event_id="new", age_seconds=-305), 401) == "timestamp_in_future"


def test_checks_come_in_the_order_of_the_contract(site: Site):
    """Source, method, size, content type, authenticity, content: the first that fails is told."""
    huge, text = b"x" * (MIB + 1), {"content-type": "text/plain"}
    post = site.client.post
    assert refused(post("/webhooks/nowhere", content=huge, headers=text), 404) == "no_such_source"
    assert refused(site.client.put("/webhooks/nowhere", content=huge), 404) == "no_such_source"
    assert refused(site.client.put("/webhooks/support", content=huge, headers=text), 405)
    assert refused(post("/webhooks/support", content=huge, headers=text), 413) == "body_too_large"
    assert refused(post("/webhooks/support", content=b"no json", headers=text), 415) == "content_type"
    assert refused(post("/webhooks/support", content=b"no json"), 401) == "header_missing"
    assert refused(site.deliver(b"no json"), 400) == "not_json"
    assert refused(site.deliver([reply()]), 400) == "not_object"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE"])
def test_other_methods_are_told_so(site: Site, method):
    """Whatever is neither POST nor a probe gets 405, and is told what is taken."""
    answer = site.client.request(method, "/webhooks/support")
    assert refused(answer, 405) == "method_not_allowed"
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/nowhere",
        "/webhooks/nowhere/",
        "/webhooks/support/",
        "/webhooks/",
        "/webhooks",
        "/webhooks/support/x",
        "/webhooks/%00",
        "/webhooks/%ff",
        "//webhooks/support",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_404_says_nothing_of_what_exists(site: Site, path, method):
    """An address that is no source's is answered with 404, never led elsewhere, and names no source."""
    answer = site.client.request(method, path)
    assert answer.status_code == 404
    if method != "HEAD":
        refused(answer, 404)
    assert "support" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probes_are_answered_empty(site: Site, method):
    """HEAD and GET on a source's address answer 200 with an empty body."""
    answer = site.client.request(method, "/webhooks/support")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_may_hold_a_mebibyte(site: Site):
    """A body of exactly 1 MiB is taken; one byte more is not, told or in chunks."""
    filler = MIB - len(json.dumps(reply(message="")))
    content, headers = signed(json.dumps(reply(message="x" * filler)).encode())
    assert len(content) == MIB
    assert (
        site.client.post("/webhooks/support", content=content, headers=headers).json()["status"] == "accepted"
    )
    over = content + b" "
    assert refused(site.client.post("/webhooks/support", content=over, headers=headers), 413)
    chunks = (over[at : at + 65_536] for at in range(0, len(over), 65_536))
    assert refused(site.client.post("/webhooks/support", content=chunks, headers=headers), 413)


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(site: Site):
    """Who announces more than 1 MiB is refused before the first byte of it."""
    address = urlsplit(site.origin)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        head = (
            f"POST /webhooks/support HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {MIB + 1}\r\n\r\n"
        )
        sender.sendall(head.encode())
        assert sender.recv(64).startswith(b"HTTP/1.1 413 ")


def test_content_types_may_carry_parameters(site: Site):
    """A charset beside the content type is fine; another type, or a compressed body, is not."""
    assert site.deliver(content_type="Application/JSON; charset=utf-8").status_code == 200
    assert refused(site.deliver(content_type="application/x-www-form-urlencoded"), 415) == "content_type"
    assert refused(site.deliver(content_encoding="gzip"), 415) == "content_encoding"


def test_svix_names_are_taken(site: Site):
    """The `svix-` names of the three headers count as well."""
    content, headers = signed(reply())
    renamed = {name.replace("webhook-", "svix-"): value for name, value in headers.items()}
    assert (
        site.client.post("/webhooks/support", content=content, headers=renamed).json()["status"] == "accepted"
    )
    assert site.deliver().json()["status"] == "duplicate"


def test_rejected_deliveries_are_noted(site: Site):
    """What was refused on a source's own address shows among the deliveries, with its reason."""
    site.deliver(age_seconds=1000)
    site.deliver(b"no json")
    site.deliver(content_type="text/plain")
    site.deliver(reply(author="agent"))
    site.deliver()
    site.deliver()
    site.deliver(reply(contact_id=None), event_id="msg_2")

    expected = {
        ("rejected", "timestamp_too_old"),
        ("rejected", "not_json"),
        ("rejected", "content_type"),
        ("ignored", "agent_reply"),
        ("accepted", None),
        ("duplicate", None),
        ("held", "contact_unknown"),
    }

    def noted():
        told = site.api("GET", "/api/deliveries").json()["deliveries"]
        return expected <= {(each["verdict"], each["reason"]) for each in told}

    assert until(noted)


def test_what_comes_to_no_source_is_noted_nowhere(site: Site, caplog):
    """An address that is no source's shows neither among the deliveries nor in the log."""
    with caplog.at_level(logging.INFO, "service.receiver"):
        refused(site.client.post("/webhooks/of-strangers"), 404)
    site.deliver(age_seconds=1000)
    told = until(lambda: site.api("GET", "/api/deliveries").json()["deliveries"])
    assert [each["source"] for each in told] == ["support"]
    (answered,) = [record for record in caplog.records if record.name == "service.receiver"]
    assert "no_such_source" in repr(vars(answered))
    assert "of-strangers" not in repr(vars(answered))
