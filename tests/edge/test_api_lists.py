"""The API's lists: pages, cursors, what narrows them, and search."""

from __future__ import annotations

import pytest

from tests.edge.told import refused
from tests.running import Site, reply

STATUSES = (
    *("held", "queued", "running", "retrying", "checking"),
    *("reopened", "appended", "skipped", "dead", "cancelled"),
)


def send(site: Site, count: int, **data: object) -> list[str]:
    """Ids of so many new reopens, the oldest first."""
    told = [site.deliver(reply(ticket_id=f"t-{n}", **data), event_id=f"msg_{n}").json() for n in range(count)]
    return [each["reopen_id"] for each in told]


def page_through(site: Site, path: str, **query: object) -> list[str]:
    """Ids of all pages, in the order in which they are told."""
    kind = path.rpartition("/")[2]
    ids, cursor = [], None
    while True:
        told = site.api("GET", path, params={**query, **({"cursor": cursor} if cursor else {})}).json()
        assert set(told) == {kind, "next_cursor"}
        assert len(told[kind]) <= int(query.get("limit", 50))
        ids += [each["id"] for each in told[kind]]
        cursor = told["next_cursor"]
        if cursor is None:
            return ids


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
def test_pages_hold_everything_once(site: Site, limit):
    """Following the cursor tells every reopen once, newest first, whatever the limit."""
    ids = send(site, 7)
    assert page_through(site, "/api/reopens", limit=limit) == ids[::-1]
    assert page_through(site, "/api/reopens", limit=limit, q="msg_") == ids[::-1]


def test_a_page_holds_fifty_at_first(site: Site):
    """Without a limit a page holds 50; a parameter that is empty is as if it were not there."""
    send(site, 51)
    told = site.api("GET", "/api/reopens").json()
    assert len(told["reopens"]) == 50
    assert told["next_cursor"]
    assert site.api("GET", "/api/reopens?status=&source=&q=&cursor=&limit=").json() == told
    assert site.api("GET", "/api/deliveries?verdict=&source=&cursor=&limit=").status_code == 200
    assert site.api("GET", "/api/reopens", params={"limit": 51}).json()["next_cursor"] is None


@pytest.mark.parametrize("path", ["/api/reopens", "/api/deliveries"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "bad_limit"),
        ({"limit": "201"}, "bad_limit"),
        ({"limit": "0000000019999"}, "bad_limit"),
        ({"limit": "-1"}, "bad_limit"),
        ({"limit": "x"}, "bad_limit"),
        ({"limit": "1.5"}, "bad_limit"),
        ({"limit": "9" * 5000}, "bad_limit"),
        ({"cursor": "x"}, "bad_cursor"),
        ({"cursor": "9" * 50}, "bad_cursor"),
        ({"lmit": "1"}, "unknown_parameter"),
    ],
)
def test_a_list_that_cannot_be(site: Site, path, query, code):
    """A limit out of 1 to 200, a cursor of nobody's, an unknown parameter: 400 with what to mend."""
    assert refused(site.api("GET", path, params=query), 400) == code


def test_status_and_source_narrow_a_list(site: Site):
    """`status` and `source` narrow the list, alone and together with a search."""
    first, second = send(site, 2)
    other = site.deliver(source="second").json()["reopen_id"]
    site.api("POST", f"/api/reopens/{first}/cancel")

    def ids(**query: str) -> set[str]:
        return set(page_through(site, "/api/reopens", **query))

    assert ids(status="cancelled") == {first}
    assert ids(status="queued") == {second, other}
    assert ids(status="queued", source="support") == {second}
    assert ids(source="second") == {other}
    assert ids(source="nothing") == set()
    assert ids(status="queued", q="msg_") == {second, other}
    assert ids(source="support", q="msg_1") == {second}
    assert ids(status="", source="", q="") == {first, second, other}
    for status in STATUSES:
        assert site.api("GET", "/api/reopens", params={"status": status}).status_code == 200
    assert refused(site.api("GET", "/api/reopens", params={"status": "lost"}), 400) == "bad_status"


def test_search_takes_the_beginning_of_any_id(site: Site):
    """`q` finds by a prefix of reopen, event, ticket, contact or thread id, and by nothing else."""
    wanted = site.deliver(
        reply(ticket_id="T-77/a é", contact_id=4242, thread_id=8181), event_id="evt:{1}*"
    ).json()["reopen_id"]
    site.deliver(reply(ticket_id="other", contact_id=5, thread_id=6, message="T-77"), event_id="zzz")
    for prefix in (wanted, wanted[:6], "evt", "evt:{1}*", "T-77", "T-77/a é", "42", "4242", "81", "8181"):
        assert page_through(site, "/api/reopens", q=prefix) == [wanted], prefix
    for prefix in ("vt", "t-77", "242", "broke", "evt:{1}*x", "*", "\x00", "%"):
        assert page_through(site, "/api/reopens", q=prefix) == [], prefix


def test_deliveries_tell_what_became_of_each(site: Site):
    """`/api/deliveries` tells every delivery with its verdict, newest first, page by page."""
    accepted = site.deliver().json()["reopen_id"]
    site.deliver()
    held = site.deliver(reply(contact_id=None), event_id="msg_2").json()["reopen_id"]
    site.deliver(reply(author="agent"), event_id="msg_3")
    site.deliver(reply(), event_id="msg_4", age_seconds=9999)

    def rows(**query: str):
        return site.api("GET", "/api/deliveries", params=query).json()["deliveries"]

    assert len(rows()) == 5  # at once
    [row] = rows(verdict="accepted")
    assert set(row) >= {"id", "source", "event_id", "received_at", "verdict", "reason", "reopen_id"}
    assert (row["source"], row["event_id"], row["reopen_id"]) == ("support", "msg_1", accepted)
    [row] = rows(verdict="duplicate")
    assert row["reopen_id"] == accepted
    [row] = rows(verdict="held")
    assert (row["reason"], row["reopen_id"]) == ("contact_unknown", held)
    row = rows(verdict="ignored")[0]
    assert (row["event_id"], row["reason"], row["reopen_id"]) == ("msg_3", "agent_reply", None)
    row = rows(verdict="rejected")[0]
    assert (row["reason"], row["reopen_id"]) == ("timestamp_too_old", None)
    assert refused(site.api("GET", "/api/deliveries", params={"verdict": "lost"}), 400) == "bad_verdict"
    assert rows(source="second") == []
    everything = page_through(site, "/api/deliveries", limit="2")
    assert len(everything) == len(set(everything)) >= 5
