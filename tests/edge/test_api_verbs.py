"""What people ask for through the API, where no worker is needed to see it: start, cancel, retry, links."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.edge.events import event
from tests.edge.told import refused
from tests.running import Site, reply

PLACE = {"contact_id": 5, "thread_id": 6}
START = {"contact_id": 597752, "thread_id": 1683, "message": "Started by hand."}


def start(site: Site, told: object, key: str | None = "key-1"):
    return site.api("POST", "/api/reopens", told, headers={"idempotency-key": key} if key is not None else {})


def test_starting_is_idempotent_by_its_key(site: Site):
    """The same key answers with the same reopen, as it is by then; another key starts another one."""
    first = start(site, START)
    assert first.status_code == 200
    told = first.json()
    assert (told["source"], told["status"], told["contact_id"], told["thread_id"]) == (
        *("api", "queued"),
        *(597752, 1683),
    )
    again = start(site, {"message": START["message"], "thread_id": "1683", "contact_id": "597752"}).json()
    assert again["id"] == told["id"]
    site.api("POST", f"/api/reopens/{told['id']}/cancel")
    assert start(site, START).json()["status"] == "cancelled"
    assert start(site, START, "key-2").json()["id"] != told["id"]
    assert site.stats()["accepted"] == 2
    deeds = [entry[b"what"] for _, entry in site.redis.xrange("reopener:audit")]
    assert deeds == [b"start", b"cancel", b"start"], "each deed is noted once, with what it did"


@pytest.mark.parametrize("other", [{"message": "Other."}, {"thread_id": 7}, {"contact_id": 7}])
def test_a_key_with_another_body(site: Site, other):
    """The same key with another body is 422, and changes nothing."""
    first = start(site, START).json()
    assert refused(start(site, START | other), 422) == "idempotency_key_reused"
    assert site.reopen(first["id"])["thread_id"] == 1683
    assert site.stats()["accepted"] == 1


@pytest.mark.parametrize("key", [None, "", "x" * 201])
def test_starting_needs_a_key(site: Site, key):
    """Without a usable Idempotency-Key nothing is started."""
    assert refused(start(site, START, key), 400) == "idempotency_key_missing"
    assert site.stats()["accepted"] == 0


@pytest.mark.parametrize(
    "bad",
    [
        *({"contact_id": value} for value in (None, 0, -1, 1.5, True, "x", "", [], "9" * 30)),
        {"thread_id": "1 2"},
        {"message": ""},
        {"message": "  "},
        {"message": None},
        {"message": 5},
        {"massage": "x"},
    ],
)
def test_starting_with_what_is_none(site: Site, bad):
    """Ids that are none, a blank message, an unknown field: 400 with what to mend."""
    refused(start(site, START | bad), 400)
    assert site.stats()["accepted"] == 0


def test_what_was_started_by_hand_is_counted_at_once(site: Site):
    """Ten calls with one key at the same time start one reopen."""
    with ThreadPoolExecutor(10) as pool:
        ids = {answer.json()["id"] for answer in pool.map(lambda _: start(site, START), range(10))}
    assert len(ids) == 1
    assert site.stats()["accepted"] == 1


@pytest.mark.parametrize(("field", "longest"), [("message", 500_000), ("ticket_id", 200)])
def test_what_is_said_is_bounded(site: Site, field, longest):
    """A text of the documented length is taken, a longer one is refused by its name."""
    assert start(site, START | {field: "x" * longest}).status_code == 200
    assert refused(start(site, START | {field: "x" * (longest + 1)}, "key-2"), 400) == f"bad_{field}"


def test_running_again_needs_a_reason(site: Site):
    """Why it is done once more has to be said, in up to 1,000 characters."""
    path = f"/api/reopens/{site.deliver().json()['reopen_id']}"
    site.api("POST", f"{path}/cancel")
    for reason in (None, "", "  ", 5, "x" * 1_001):
        assert refused(site.api("POST", f"{path}/run-again", {"reason": reason}), 400) == "bad_reason"
    assert site.api("POST", f"{path}/run-again", {"reason": "x" * 1_000}).status_code == 200


@pytest.mark.parametrize(
    ("actor", "named"),
    [("Anna", b"Anna at 127.0.0.1"), ("", b"127.0.0.1"), ("x" * 99, b"x" * 80 + b" at 127.0.0.1")],
)
def test_who_calls_is_in_the_audit_log(site: Site, actor, named):
    """`X-Reopener-Actor` says who calls, in up to 80 characters; where the call came from is always noted."""
    site.api("POST", "/api/pause", headers={"x-reopener-actor": actor})
    ((_, entry),) = site.redis.xrange("reopener:audit")
    assert entry[b"who"] == named


def test_a_null_field_is_a_missing_one(site: Site):
    """What a client writes as null where it has nothing to say is taken as not said."""
    assert start(site, START | {"ticket_id": None}).status_code == 200
    answer = site.api("POST", "/api/reopens/retry", {"status": "dead", "source": None})
    assert answer.json() == {"count": 0}


def test_cancel_and_retry_take_their_statuses(site: Site):
    """What is queued or held can be cancelled, what is cancelled retried; everything else is 409."""
    queued = site.deliver().json()["reopen_id"]
    assert refused(site.api("POST", f"/api/reopens/{queued}/retry"), 409) == "conflict"
    assert site.api("POST", f"/api/reopens/{queued}/cancel").json()["status"] == "cancelled"
    assert refused(site.api("POST", f"/api/reopens/{queued}/cancel"), 409) == "conflict"
    retried = site.api("POST", f"/api/reopens/{queued}/retry").json()
    assert (retried["id"], retried["status"]) == (queued, "queued")
    held = site.deliver(reply(contact_id=None), event_id="held").json()["reopen_id"]
    assert refused(site.api("POST", f"/api/reopens/{held}/retry"), 409) == "conflict"
    assert site.api("POST", f"/api/reopens/{held}/cancel").json()["status"] == "cancelled"


def test_only_what_is_held_is_resolved(site: Site):
    """Resolving anything but a held one is 409; so is running a waiting one again."""
    queued = site.deliver().json()["reopen_id"]
    assert refused(site.api("POST", f"/api/reopens/{queued}/resolve", PLACE), 409) == "conflict"
    again = site.api("POST", f"/api/reopens/{queued}/run-again", {"reason": "to see"})
    assert refused(again, 409) == "conflict"


@pytest.mark.parametrize("verb", ["resolve", "run-again"])
def test_verbs_on_nothing(site: Site, verb):
    """A verb on what nobody knows is 404."""
    told = PLACE if verb == "resolve" else {"reason": "to see"}
    assert refused(site.api("POST", f"/api/reopens/nothing/{verb}", told), 404) == "not_found"


def test_one_person_wins(site: Site):
    """Of ten people who cancel the same reopen at once, one does it and nine are told."""
    queued = site.deliver().json()["reopen_id"]
    with ThreadPoolExecutor(10) as pool:
        answers = pool.map(lambda _: site.api("POST", f"/api/reopens/{queued}/cancel").status_code, range(10))
    assert sorted(answers) == [200, *[409] * 9]


def test_retrying_all_of_a_status(site: Site):
    """All that match are retried and counted: by status, and by source where one is named."""
    for source in ("support", "second"):
        for number in range(3):
            told = site.deliver(reply(ticket_id=str(number)), source=source, event_id=f"msg_{number}").json()
            site.api("POST", f"/api/reopens/{told['reopen_id']}/cancel")
    retry = {"status": "cancelled", "source": "second"}
    assert site.api("POST", "/api/reopens/retry", retry).json() == {"count": 3}
    assert site.api("POST", "/api/reopens/retry", retry).json() == {"count": 0}
    assert site.api("POST", "/api/reopens/retry", {"status": "cancelled"}).json() == {"count": 3}
    assert site.stats()["by_status"]["queued"] == 6
    for bad in ({}, {"status": "reopened"}, {"status": "held"}, {"status": ["dead"]}, {"source": "support"}):
        assert refused(site.api("POST", "/api/reopens/retry", bad), 400) == "bad_status"


@pytest.mark.parametrize("ticket_id", ["4711", "a/b", "ä ö", "%2F", "x" * 200])
def test_links_are_put_told_and_deleted(site: Site, ticket_id):
    """A ticket's link is put, told, replaced and deleted, whatever its id looks like."""
    path = f"/api/links/support/{quote(ticket_id, safe='')}"
    told = {"source": "support", "ticket_id": ticket_id, **PLACE}
    assert site.api("PUT", path, PLACE).json() == {**told, "released": 0}
    assert site.api("GET", path).json() == told
    assert site.api("PUT", path, {"contact_id": "7", "thread_id": "008"}).status_code == 200
    assert site.api("GET", path).json() == told | {"contact_id": 7, "thread_id": 8}
    assert site.api("DELETE", path).status_code in {200, 204}
    assert refused(site.api("GET", path), 404) == "not_found"
    assert refused(site.api("DELETE", path), 404) == "not_found"
    for bad in ({}, {"contact_id": 5}, {"contact_id": 0, "thread_id": 1}, {**PLACE, "x": 1}):
        refused(site.api("PUT", path, bad), 400)


async def test_a_link_of_a_source_that_nobody_knows_is_kept_with_a_warning(site: Site, ledger):
    """A slip in a source's name is told; a source that is not configured any more has links as ever."""
    told = site.api("PUT", "/api/links/suport/4711", PLACE).json()
    assert "is it the right one" in told["warning"]
    assert site.api("GET", "/api/links/suport/4711").json()["thread_id"] == PLACE["thread_id"]
    await ledger.admissions.admit([event("a", source="of-last-year")])
    for source in ("support", "of-last-year"):
        assert "warning" not in site.api("PUT", f"/api/links/{source}/4711", PLACE).json()


@pytest.mark.parametrize("how", ["link", "resolve"])
def test_a_link_or_a_resolution_lets_all_replies_of_the_ticket_go_on(site: Site, how):
    """All held replies of the ticket go on in the order in which they came; others stay."""
    body = reply(contact_id=None, thread_id=None)
    held = [site.deliver(body, event_id=f"msg_{n}").json()["reopen_id"] for n in range(3)]
    other = site.deliver(reply(contact_id=None, ticket_id="other"), event_id="other").json()["reopen_id"]
    if how == "link":
        told = site.api("PUT", "/api/links/support/4711", PLACE).json()
        assert told["released"] == 3
    else:
        told = site.api("POST", f"/api/reopens/{held[1]}/resolve", PLACE).json()
        assert (told["id"], told["status"]) == (held[1], "queued")
        assert site.api("GET", "/api/links/support/4711").json()["thread_id"] == 6
    for each in held:
        record = site.reopen(each)
        assert (record["status"], record["contact_id"], record["thread_id"]) == ("queued", 5, 6)
    inbox = [raw.decode() for raw in site.redis.zrange("reopener:inbox:6", 0, -1)]
    assert inbox == held
    assert site.reopen(other)["status"] == "held"
    later = site.deliver(body, event_id="later").json()
    assert later["status"] == "accepted"
    assert site.reopen(later["reopen_id"])["thread_id"] == 6
    thread = site.api("GET", "/api/threads/6").json()
    assert [each["id"] for each in thread["reopens"]] == [*held, later["reopen_id"]]
