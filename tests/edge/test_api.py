"""The API's ways: who may call, what a fault looks like, numbers, pause, and the probes."""

from __future__ import annotations

import json

import pytest

from tests.edge.told import refused
from tests.running import TOKEN, Site, reply

CALLS = [
    ("GET", "/api/reopens"),
    ("POST", "/api/reopens"),
    ("GET", "/api/reopens/x"),
    ("POST", "/api/reopens/x/retry"),
    ("POST", "/api/reopens/x/cancel"),
    ("POST", "/api/reopens/x/run-again"),
    ("POST", "/api/reopens/x/resolve"),
    ("POST", "/api/reopens/retry"),
    ("GET", "/api/threads/1683"),
    ("GET", "/api/links/support/4711"),
    ("PUT", "/api/links/support/4711"),
    ("DELETE", "/api/links/support/4711"),
    ("GET", "/api/deliveries"),
    ("GET", "/api/stats"),
    ("POST", "/api/pause"),
    ("POST", "/api/resume"),
]


STATUSES = (
    *("held", "queued", "running", "retrying", "checking"),
    *("reopened", "appended", "skipped", "dead", "cancelled"),
)


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_every_call_needs_the_token(site: Site, method, path, authorization):
    """Without the admin token as a bearer every call is answered 401, whatever else is wrong with it."""
    headers = {"authorization": authorization.encode("latin-1")} if authorization else {}
    answer = site.client.request(method, path, headers=headers, content=b"no json")
    assert refused(answer, 401) == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/reopens/", "/api/reopens/x/y", "/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_not_there(site: Site, method, path):
    """An unknown address is 404 in the shape of all errors, and leads nowhere else."""
    assert refused(site.api(method, path), 404) == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/reopens", "GET, HEAD, POST"),
        ("PUT", "/api/stats", "GET, HEAD"),
        ("GET", "/api/pause", "POST"),
        ("GET", "/api/reopens/x/retry", "POST"),
        ("POST", "/api/links/support/4711", "DELETE, GET, HEAD, PUT"),
    ],
)
def test_another_method(site: Site, method, path, allowed):
    """A method that an address does not take is 405, and Allow tells all that it does."""
    answer = site.api(method, path)
    assert refused(answer, 405) == "method_not_allowed"
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/reopens/nothing"),
        ("POST", "/api/reopens/nothing/retry"),
        ("POST", "/api/reopens/nothing/cancel"),
        ("GET", "/api/threads/999"),
        ("GET", "/api/links/support/nothing"),
        ("DELETE", "/api/links/support/nothing"),
    ],
)
def test_what_nobody_knows(site: Site, method, path):
    """What is not known is 404."""
    assert refused(site.api(method, path), 404) == "not_found"


@pytest.mark.parametrize("path", ["/api/reopens/x/resolve", "/api/reopens/x/run-again", "/api/reopens/retry"])
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no json", 400, "not_json"),
        (b"[]", 400, "not_object"),
        (b"[" * 100_000, 400, "not_json"),
        (b'{"nothing": 1}', 400, "unknown_field"),
        (b"{}", 400, None),
        (b"", 400, None),
        (b" " * (1024 * 1024 + 1), 413, "body_too_large"),
    ],
)
def test_a_body_that_is_none(site: Site, path, content, status, code):
    """A body that is no JSON object of the documented fields is refused, with what to mend."""
    assert code in {None, refused(site.api("POST", path, content=content), status)}


def test_a_reopen_has_every_field(site: Site):
    """A reopen is told with every field of the contract, and times in RFC 3339 in UTC."""
    told = site.reopen(site.deliver().json()["reopen_id"])
    assert told | {"id": 0, "created_at": 0, "updated_at": 0} == {
        "id": 0,
        "source": "support",
        "event_id": "msg_1",
        "ticket_id": "4711",
        "contact_id": 597752,
        "thread_id": 1683,
        "status": "queued",
        "reason": None,
        "new_case_id": None,
        "deliveries": 1,
        "created_at": 0,
        "updated_at": 0,
        "next_attempt_at": None,
        "attempts": [],
        "detail": None,
        "again_of": None,
        "again_reason": None,
    }
    assert told["created_at"].endswith("Z")


def test_stats_balance(site: Site):
    """The ledger in numbers: what was accepted is the sum of all statuses."""
    empty = site.stats()
    assert empty["accepted"] == 0
    assert empty["by_status"] == dict.fromkeys(STATUSES, 0)
    assert empty["oldest_waiting_seconds"] == 0
    first = site.deliver().json()["reopen_id"]
    site.deliver()
    site.deliver(event_id="msg_2")
    held = site.deliver(reply(thread_id=None), event_id="held").json()
    site.api("POST", f"/api/reopens/{first}/cancel")
    told = site.stats()
    assert held["status"] == "held"
    assert told["accepted"] == 3
    assert told["by_status"] == dict.fromkeys(STATUSES, 0) | {"queued": 1, "held": 1, "cancelled": 1}
    assert told["waiting"] == 1
    assert told["oldest_waiting_seconds"] >= 0
    assert told["queue_depth"] >= 1
    assert (told["workers"], told["in_flight"], told["breaker"], told["paused"]) == (0, 0, "closed", False)
    assert told["balanced"] is True


def test_pause_and_resume_show(site: Site):
    """Paused and resumed, as often as one likes; webhooks are taken all the while."""
    for _ in range(2):
        assert site.api("POST", "/api/pause").json() == {"paused": True}
    assert site.stats()["paused"] is True
    assert site.deliver().json()["status"] == "accepted"
    for _ in range(2):
        assert site.api("POST", "/api/resume").json() == {"paused": False}
    assert site.stats()["paused"] is False


def test_probes_and_metrics_need_no_token(site: Site):
    """Alive, ready, and metrics in Prometheus' format."""
    assert site.client.get("/healthz").json() == {"status": "alive"}
    assert site.client.get("/readyz").json() == {"status": "ready"}
    for path in ("/healthz", "/readyz", "/metrics"):
        assert site.client.head(path).status_code == 200
    site.deliver()
    told = site.client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    assert "reopener_accepted_total 1.0" in told.text
    assert 'reopener_reopens{source="support",status="queued"} 1.0' in told.text


def test_openapi_tells_every_address(site: Site):
    """Every call of the contract stands in `/openapi.json`, nothing there is unknown to the service, and all
    below `/api` needs the token.
    """
    document = site.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    told = {
        (method.upper(), path.replace("{id}", "x").replace("{thread_id}", "1683"))
        for path, calls in document["paths"].items()
        for method in calls
    }
    filled = {
        (method, path.replace("{source}", "support").replace("{ticket_id}", "4711")) for method, path in told
    }
    probes = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("POST", "/webhooks/support")}
    assert {*CALLS, *probes} <= filled
    for method, path in filled:
        answer = site.client.request(method, path)
        assert answer.status_code != 405, (method, path)
        if path.startswith("/api"):
            assert refused(answer, 401) == "unauthorized", (method, path)
        assert answer.status_code != 404 or answer.json()["error"]["code"] != "not_found", (method, path)
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            is_change = path.startswith("/api") and method != "get"
            assert ("403" in call["responses"]) == is_change, (method, path)
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(document["components"]["schemas"])
