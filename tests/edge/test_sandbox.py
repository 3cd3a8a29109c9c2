"""The sandbox behaves as the contract and what is documented of Acquire say, with and without faults."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import running
from workers.sandbox.journal import Journal
from workers.sandbox.world import World

PAGE = (running.ROOT / "tests" / "fixtures" / "acquire-reopen-case.txt").read_text("utf-8")
BASE = "/api/v1/crm"
THREAD, CONTACT = 1683, 597752
KEY = {"authorization": "Bearer any-key"}


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[httpx.Client]:
    with running.sandbox(tmp_path_factory.mktemp("sandbox")) as client:
        client.headers.update(KEY)
        yield client


@pytest.fixture
def sandbox(started: httpx.Client) -> httpx.Client:
    """A client with a key, of a sandbox as at its first start."""
    assert started.post("/_sandbox/reset").status_code == 200
    return started


def switch(sandbox: httpx.Client, *faults: object) -> None:
    sandbox.post("/_sandbox/faults", json=list(faults)).raise_for_status()


def reopen(sandbox: httpx.Client, *, thread: object = THREAD, contact: object = CONTACT, **more: object):
    body = {"channel": "chat", "title": "t", "message": {"type": "message", "message": "Hello."}, **more}
    told = body if thread is None else body | {"threadId": thread}
    return sandbox.post(f"{BASE}/messenger/chat/create", params={"contactId": contact}, json=told)


def cases(sandbox: httpx.Client) -> list[int]:
    return [case["id"] for case in sandbox.get("/_sandbox/cases").json()["cases"]]


def test_answers_hold_every_field_of_the_vendors_sample(sandbox: httpx.Client):
    """A reopened case is told with every field of the sample on the vendor's page."""
    text = PAGE[PAGE.index('{\n"data"') :]
    sample, _ = json.JSONDecoder().raw_decode(re.sub(r",(\s*[}\]])", r"\1", text))
    ours = reopen(sandbox).json()
    missing = set(sample["data"]) - set(ours["data"])
    assert not missing
    assert set(sample["data"]["contact"]) <= set(ours["data"]["contact"])
    data = ours["data"]
    assert (data["threadId"], data["parentId"], data["contact"]["id"]) == (THREAD, THREAD, CONTACT)
    assert data["status"] == "active"


def test_reopening_is_not_idempotent(sandbox: httpx.Client):
    """The same call again makes another case; without a thread it makes an unrelated one, and says 200."""
    first, second, unrelated = (reopen(sandbox), reopen(sandbox), reopen(sandbox, thread=None))
    ids = [each.json()["data"]["id"] for each in (first, second, unrelated)]
    assert len(set(ids)) == 3
    assert second.json()["data"]["threadId"] == THREAD
    assert unrelated.json()["data"]["threadId"] == ids[2]


def test_cases_are_read_back(sandbox: httpx.Client):
    """A case by id, the cases of a thread, a contact with its cases, the messages, a contact by address."""
    case_id = reopen(sandbox).json()["data"]["id"]
    case = sandbox.get(f"{BASE}/objects/case/{case_id}", params={"relations": "contact"}).json()["data"]
    assert (case["id"], case["threadId"], case["dateClosed"]) == (case_id, THREAD, None)
    assert case["meta"]["sessionId"] > 2**31
    where = [("where", f"parentId|eq|{THREAD}"), ("where", f"contactId|eq|{CONTACT}")]
    listed = sandbox.get(f"{BASE}/objects/case", params=where).json()["data"]
    assert set(listed) == {"page", "offset", "limit", "count", "data"}
    assert [each["id"] for each in listed["data"]] == [case_id]
    contact = sandbox.get(f"{BASE}/objects/contact/{CONTACT}", params={"relations": "cases"}).json()["data"]
    assert {each["id"] for each in contact["cases"]} == {THREAD, case_id}
    query = {"threadId": THREAD, "contactId": CONTACT}
    told = sandbox.get(f"{BASE}/messenger/chat/messages", params=query).json()["data"]
    assert [each["lastMessage"]["message"] for each in told if each["lastMessage"]] == ["Hello."]
    search = {"payload": {}, "page": 0, "limit": 0, "search": "customer@example.com"}
    found = sandbox.post(f"{BASE}/contact/list", json=search).json()["data"]
    assert [each["contactId"] for each in found["list"]] == [CONTACT]
    assert set(found["list"][0]) == {"mainContactId", "contactId", "key", "value", "fields"}


def test_only_active_cases_take_messages(sandbox: httpx.Client):
    """A message is appended to an active case, with its ids in the answer; a closed one refuses it."""
    case_id = reopen(sandbox).json()["data"]["id"]
    message = {"type": "message", "message": "More.", "translateLangKey": ""}
    body = {"channel": "chat", "caseId": case_id, "message": message}
    said = sandbox.post(f"{BASE}/messenger/chat/add-message", json=body).json()["data"]
    assert (said["caseId"], said["threadId"], said["message"]) == (case_id, THREAD, "More.")
    closed = sandbox.post(f"{BASE}/messenger/chat/close", json={"caseId": case_id, "closingState": "handled"})
    assert closed.json()["data"]["status"] == "closed"
    refused = sandbox.post(f"{BASE}/messenger/chat/add-message", json=body)
    assert refused.status_code == 400
    assert refused.json()["message"]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda it: it.get(f"{BASE}/objects/case/9000000000000001"), 404),
        (lambda it: it.get(f"{BASE}/objects/contact/9000000000000001"), 404),
        (lambda it: reopen(it, thread=9_000_000_000_000_001), 404),
        (lambda it: reopen(it, contact="x"), 400),
        (lambda it: reopen(it, contact=""), 400),
        (lambda it: reopen(it, thread="x"), 400),
        (lambda it: it.post(f"{BASE}/messenger/chat/create?contactId=1", content=b"no json"), 400),
        (lambda it: it.post(f"{BASE}/messenger/chat/create?contactId=1", content=b"[" * 100_000), 400),
        (lambda it: reopen(it, contact="\u00b2"), 400),
        (lambda it: reopen(it, contact="9" * 5000), 400),
        (lambda it: it.get(f"{BASE}/objects/case/\u00b2"), 400),
        (lambda it: it.get(f"{BASE}/objects/case", params={"page": "x"}), 400),
        (lambda it: it.get(f"{BASE}/objects/case", params={"offset": "-3"}), 400),
        (lambda it: it.get(f"{BASE}/objects/case", params={"limit": "\u00b2"}), 400),
        (lambda it: it.get(f"{BASE}/objects/case", params={"where": "threadId|eq|1"}), 400),
        (lambda it: it.get(f"{BASE}/objects/case", params={"where": "id|gt|1"}), 400),
        (lambda it: it.get(f"{BASE}/nothing"), 404),
        (lambda it: it.get("/elsewhere"), 404),
        (lambda it: it.get(f"{BASE}/objects/case/{THREAD}", headers={"authorization": "Bearer"}), 401),
        (lambda it: it.get(f"{BASE}/objects/case/{THREAD}", headers={"authorization": "Basic x"}), 401),
    ],
)
def test_refusals_are_readable(sandbox: httpx.Client, call, status):
    """What cannot be is refused with a status of Acquire's and a message, and makes nothing."""
    answer = call(sandbox)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert cases(sandbox) == [THREAD]


def test_faults_that_do_not_act(sandbox: httpx.Client):
    """`status` and `drop_before`: no case is made, and the caller is told so or cut off."""
    switch(sandbox, {"kind": "status", "rate": 1, "status": 502})
    assert reopen(sandbox).status_code == 502
    switch(sandbox, {"kind": "status"})
    assert reopen(sandbox).status_code == 500
    switch(sandbox, {"kind": "drop_before", "rate": 1.0})
    with pytest.raises(httpx.TransportError):
        reopen(sandbox)
    switch(sandbox)
    assert cases(sandbox) == [THREAD]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_leaves_the_connection_in_step(sandbox: httpx.Client, status):
    """Statuses that come without a body have none, so that the next answer is read where it begins."""
    for kind in ("status", "act_then_status"):
        switch(sandbox, {"kind": kind, "status": status})
        answers = [reopen(sandbox) for _ in range(2)]
        assert [(answer.status_code, answer.content) for answer in answers] == [(status, b"")] * 2


def test_faults_that_act(sandbox: httpx.Client):
    """`drop_after` and `garbage`: the case is made, and no readable answer comes of it."""
    switch(sandbox, {"kind": "drop_after", "rate": 1})
    with pytest.raises(httpx.TransportError):
        reopen(sandbox)
    switch(sandbox, {"kind": "garbage", "rate": 1})
    answer = reopen(sandbox)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert len(cases(sandbox)) == 3


def test_reads_tell_what_came_of_a_dropped_call(sandbox: httpx.Client):
    """`drop_after` cuts the answers of reads only where it is told `on` them."""
    switch(sandbox, {"kind": "drop_after", "rate": 1})
    with pytest.raises(httpx.TransportError):
        reopen(sandbox)
    assert sandbox.get("/api/v1/crm/objects/case/1683").status_code == 200
    switch(sandbox, {"kind": "drop_after", "on": "read"})
    with pytest.raises(httpx.TransportError):
        sandbox.get("/api/v1/crm/objects/case/1683")
    assert reopen(sandbox).status_code == 200


def test_a_delay_delays(sandbox: httpx.Client):
    """`delay` waits so many seconds and then acts."""
    switch(sandbox, {"kind": "delay", "rate": 1, "seconds": 0.3})
    started = time.monotonic()
    assert reopen(sandbox).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_rate_is_a_share(sandbox: httpx.Client):
    """A rate of a half strikes some calls and spares others, one of 0 none."""
    switch(
        sandbox, {"kind": "status", "rate": 0.5, "status": 500}, {"kind": "status", "rate": 0, "status": 503}
    )
    statuses = {reopen(sandbox).status_code for _ in range(60)}
    assert statuses == {200, 500}


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "status"},
        "status",
        [{"kind": "stauts"}],
        [{"kind": "status", "rate": 2}],
        [{"kind": "status", "rate": -1}],
        [{"kind": "status", "status": 99}],
        [{"kind": "delay", "seconds": "x"}],
        [{"kind": "delay", "secnds": 1}],
        [{"kind": "lag", "seconds": 10**400}],
        [{"kind": "delay", "count": 10**400}],
        [["status"]],
        [{}],
    ],
)
def test_a_fault_that_is_none(sandbox: httpx.Client, bad):
    """What is no fault is refused with what to mend, and leaves the faults as they were."""
    switch(sandbox, {"kind": "status", "status": 502})
    answer = sandbox.post("/_sandbox/faults", json=bad)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message"}
    assert reopen(sandbox).status_code == 502


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", b"[" * 100_000),
        ("faults", b'[{"kind": "status", "retry_after": 1e999}]'),
        ("contacts", b"[]"),
        ("contacts", b'{"id": 1e999}'),
        ("contacts", b'{"id": 1, "email": 5}'),
    ],
)
def test_control_takes_nothing_that_would_fail_later(sandbox: httpx.Client, path, body):
    """A number without end, or an address that is no text, is refused at once, and calls go on."""
    assert sandbox.post(f"/_sandbox/{path}", content=body).status_code == 400
    assert sandbox.post(f"{BASE}/contact/list", json={"search": "customer"}).status_code == 200


def test_a_filter_for_no_number_finds_nothing(sandbox: httpx.Client):
    """A superscript is a digit to Python, and no id."""
    found = sandbox.get(f"{BASE}/objects/case", params={"where": "parentId|eq|\u00b2"})
    assert found.json()["data"]["count"] == 0


def test_cases_can_be_closed_and_all_be_reset(sandbox: httpx.Client):
    """A case is closed by hand; a reset leaves what was there at the first start."""
    case_id = reopen(sandbox).json()["data"]["id"]
    closed = sandbox.post(f"/_sandbox/cases/{case_id}/close")
    assert closed.status_code == 200
    assert sandbox.get(f"{BASE}/objects/case/{case_id}").json()["data"]["status"] == "closed"
    assert sandbox.post("/_sandbox/cases/4242424242/close").status_code == 404
    switch(sandbox, {"kind": "status"})
    sandbox.post("/_sandbox/reset")
    assert cases(sandbox) == [THREAD]
    assert reopen(sandbox).json()["data"]["id"] == case_id


@pytest.mark.parametrize(("method", "path"), [("GET", "/_sandbox/x"), ("DELETE", "/_sandbox/cases")])
def test_control_has_nothing_else(sandbox: httpx.Client, method, path):
    """Below `/_sandbox/` what is not there is 404 in the shape of our errors."""
    answer = sandbox.request(method, path)
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"code", "message"}


def test_cases_outlive_a_kill(tmp_path: Path):
    """With a state file, a killed sandbox knows all its cases when it is started again."""
    with running.sandbox(tmp_path, "--state", str(tmp_path / "state")) as first:
        first.headers.update(KEY)
        made = [reopen(first).json()["data"]["id"] for _ in range(3)]
    with running.sandbox(tmp_path, "--state", str(tmp_path / "state")) as second:
        second.headers.update(KEY)
        assert cases(second) == [THREAD, *made]
        assert reopen(second).json()["data"]["id"] > made[-1]


def test_a_line_cut_short_costs_no_other(tmp_path: Path):
    """What is noted after a line that a power cut left unfinished is known at the next start."""
    state = tmp_path / "state"
    world = Journal(state).open()
    made = [reopened_in(world, THREAD)]
    state.write_bytes(state.read_bytes()[:-20])
    world = Journal(state).open()
    made += [reopened_in(world, THREAD), reopened_in(world, THREAD)]
    assert list(Journal(state).open().cases) == [THREAD, *made]


def reopened_in(world: World, thread_id: int) -> int:
    made = world.create(contact_id=CONTACT, thread_id=thread_id, title="", text="Hello.", fields=[], now_ms=1)
    return made.id
