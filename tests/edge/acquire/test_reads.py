"""What Acquire shows is read as documented, and anything else is not read at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.domain.cases import Case, CasePage, ThreadRead
from service.domain.errors import AccountRefused, ReadFailed
from service.domain.ports import Acquire
from tests.edge.acquire.scripted import CONTACT, THREAD, Scripted, answer, client

ROOT = {
    "id": THREAD,
    "channel": "chat",
    "status": "closed",
    "title": "Printer",
    "description": "It broke.",
    "dateCreated": "2021-03-24T11:08:17.000Z",
    "dateClosed": "2021-03-25T11:08:17.000Z",
    "contact": {"id": CONTACT, "meta": {}},
    "meta": {"sessionId": "9223372036854775807"},
    "parentId": None,
    "threadId": THREAD,
}
LATER = {
    "id": 1694,
    "status": "Active",
    "threadId": THREAD,
    "parentId": THREAD,
    "dateClosed": None,
    "description": "",
}
NO_RECORD = {"code": "ERROR_RECORD_NOT_FOUND", "message": "Record not found"}


def page(*cases: object, **more: Any) -> dict[str, Any]:
    return {"data": {"page": 0, "offset": 0, "limit": 50, "count": len(cases), "data": list(cases), **more}}


async def test_a_case_is_read_with_all_that_settling_needs(server: Scripted, acquire: Acquire):
    """A case is asked for with its documented columns, and read with all that looks and plans need."""
    server.script(answer(200, {"data": ROOT}))
    assert await acquire.read_case(THREAD) == Case(
        id=THREAD,
        thread_id=THREAD,
        status="closed",
        closed=True,
        contact_id=CONTACT,
        session_id="9223372036854775807",
        text="It broke.",
        created_ms=1616584097000,
        marks=("Printer",),
    )
    (asked,) = server.received
    assert (asked.method, asked.path) == ("GET", f"/api/v1/crm/objects/case/{THREAD}")
    assert ("relations", "contact") in asked.query
    assert {"status", "dateClosed", "description", "meta", "parentId"} <= {
        v for k, v in asked.query if k == "select"
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threadId": 5}, {"thread_id": 5}),
        ({"threadId": None, "parentId": "5"}, {"thread_id": 5}),
        ({"threadId": None, "parentId": None}, {"thread_id": THREAD}),
        ({"status": "active", "dateClosed": None}, {"closed": False}),
        ({"status": "active"}, {"closed": True}),
        ({"status": "closed", "dateClosed": None}, {"closed": True}),
        ({"status": "active", "dateClosed": None, "closingState": "handled"}, {"closed": False}),
        ({"contact": None}, {"contact_id": None}),
        ({"contact": None, "contactId": 3}, {"contact_id": 3}),
        ({"meta": {"sessionId": 9223372036854775807}}, {"session_id": "9223372036854775807"}),
        ({"meta": {"sessionId": 9.2e18}}, {"session_id": None}),
        ({"meta": None}, {"session_id": None}),
        ({"description": "  "}, {"text": None}),
        ({"dateCreated": "yesterday"}, {"created_ms": None}),
        ({"fields": [{"value": "rx-1"}, {"value": 7}, "x"]}, {"marks": ("Printer", "rx-1")}),
        ({"fields": {"ref": "rx-1"}, "title": None}, {"marks": ("rx-1",)}),
    ],
)
async def test_what_a_case_may_leave_open(
    server: Scripted, acquire: Acquire, changes: dict[str, Any], expected: dict[str, Any]
):
    """A case's optional parts are read in all shapes known, and are None where they are not shown."""
    server.script(answer(200, {"data": {**ROOT, **changes}}))
    case = await acquire.read_case(THREAD)
    assert {name: getattr(case, name) for name in expected} == expected


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {**ROOT, "id": 7},
        {**ROOT, "id": None},
        {**ROOT, "status": None},
        {**ROOT, "threadId": "x"},
    ],
)
async def test_a_malformed_case_is_not_read(server: Scripted, acquire: Acquire, data: object):
    """A case without its id, its state or a readable thread is a failed read, never a guess."""
    server.script(answer(200, {"data": data}))
    with pytest.raises(ReadFailed):
        await acquire.read_case(THREAD)


@pytest.mark.parametrize("status", [404, 400])
async def test_what_acquire_does_not_have_is_none(server: Scripted, acquire: Acquire, status: int):
    """Where Acquire itself says that there is no such record, there is none."""
    server.script(answer(status, NO_RECORD))
    assert await acquire.read_case(7) is None
    assert await acquire.read_contact_cases(7) == ()


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"<h1>Cannot GET</h1>"), (404, b""), (404, b"{}"), (400, b'{"message": "Bad select"}')],
)
async def test_a_refusal_that_is_not_about_the_record_is_a_failed_read(
    server: Scripted, acquire: Acquire, status: int, body: bytes
):
    """A proxy's 404, or another 400, says nothing about the record."""
    server.script(answer(status, raw=body))
    with pytest.raises(ReadFailed):
        await acquire.read_case(7)


async def test_a_thread_is_read_in_one_round_trip(server: Scripted, acquire: Acquire):
    """The root and the first page of the cases after it are asked for side by side."""

    async def both_asked(writer: asyncio.StreamWriter) -> None:
        asked = server.received[-1]
        await server.until(lambda: len(server.received) == 2)
        await answer(200, {"data": ROOT} if asked.path.endswith(f"/{THREAD}") else page(LATER))(writer)

    server.script(both_asked)
    read = await acquire.read_thread(THREAD)
    later = Case(1694, THREAD, "active", closed=False)
    assert read.root is not None
    assert read == ThreadRead(read.root, CasePage((later,), 1))
    listed = next(asked for asked in server.received if asked.path == "/api/v1/crm/objects/case")
    assert ("where", f"parentId|eq|{THREAD}") in listed.query
    assert {call.name for call in acquire.calls()} == {"read_case", "read_cases"}


async def test_of_two_failures_the_one_about_the_account_is_told(server: Scripted, acquire: Acquire):
    """Where root and list fail in different ways, a refused key is told first, then a pause."""
    server.script(answer(500), answer(401, {}))
    with pytest.raises(AccountRefused):
        await acquire.read_thread(THREAD)
    server.script(answer(429, headers={"Retry-After": "3"}), answer(500))
    with pytest.raises(ReadFailed) as failure:
        await acquire.read_thread(THREAD)
    assert failure.value.retry_after_seconds == 3.0


async def test_pages_are_counted_from_nought(server: Scripted, acquire: Acquire):
    """A page is asked for by number and limit; it is full with as many cases as Acquire's own limit."""
    server.script(
        answer(200, page(LATER, limit=1, count=72)), answer(200, page(LATER, count=None)), answer(200, page())
    )
    assert (await acquire.read_page(THREAD, 0)) == CasePage(
        (Case(1694, THREAD, "active", closed=False),), 72, full=True
    )
    assert ((await acquire.read_page(THREAD, 1)).count, (await acquire.read_page(THREAD, 2)).cases) == (
        None,
        (),
    )
    assert [dict(asked.query)["page"] for asked in server.received] == ["0", "1", "2"]
    assert not any(("relations", "fields") in asked.query for asked in server.received)


async def test_custom_fields_are_asked_for_where_one_may_echo_ours(server: Scripted):
    """Fields are read back where [acquire.body] writes some."""
    server.script(answer(200, page({**LATER, "fields": [{"value": "rx-aaaabbbbcccc"}]})))
    acquire = client(server, body={"title": "x", "fields": {"ref": "{{ token }}"}})
    read = await acquire.session().read_page(THREAD, 0)
    assert read.cases[0].marks == ("rx-aaaabbbbcccc",)
    assert ("relations", "fields") in server.received[0].query
    await acquire.aclose()


@pytest.mark.parametrize("data", [None, [LATER], {"data": {}}, {"data": [LATER, {}]}, {"data": None}])
async def test_a_list_with_one_malformed_case_is_not_read(server: Scripted, acquire: Acquire, data: object):
    """One case that cannot be read spoils the list: it might be ours."""
    server.script(answer(200, {"data": data}))
    with pytest.raises(ReadFailed):
        await acquire.read_page(THREAD, 0)


async def test_a_contact_shows_its_cases(server: Scripted, acquire: Acquire):
    """The fallback: the contact with its cases, each of which is the contact's."""
    server.script(answer(200, {"data": {"id": CONTACT, "cases": [ROOT, LATER]}}))
    cases = await acquire.read_contact_cases(CONTACT)
    assert [(case.id, case.contact_id, case.thread_id) for case in cases] == [
        (THREAD, CONTACT, THREAD),
        (1694, CONTACT, THREAD),
    ]
    (asked,) = server.received
    assert (asked.path, asked.query) == (f"/api/v1/crm/objects/contact/{CONTACT}", [("relations", "cases")])
    server.script(answer(200, {"data": {"id": CONTACT}}))
    with pytest.raises(ReadFailed):
        await acquire.read_contact_cases(CONTACT)
