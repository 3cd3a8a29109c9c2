"""Whose words they are: a thread's messages and a customer's contacts, as Acquire shows them."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.cases import Message, Messages
from service.domain.errors import ReadFailed
from service.domain.ports import Acquire
from tests.edge.acquire.scripted import CONTACT, THREAD, Scripted, answer, hang

LAST = {
    "id": 3391,
    "caseId": 854,
    "type": "message",
    "message": "lk",
    "dateCreated": "2021-04-13T12:17:02.000Z",
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            [{"id": 854, "lastMessage": LAST}],
            Messages({854: (Message(3391, "lk", 1618316222000),)}, complete=False),
        ),
        ([{"id": 854, "lastMessage": None}], Messages({854: ()}, complete=False)),
        (
            [{"id": 854, "lastMessage": LAST, "cases": [{"id": 860, "lastMessage": {"id": 9}}]}],
            Messages({854: (Message(3391, "lk", 1618316222000),), 860: (Message(9, None),)}, complete=False),
        ),
        (
            [
                {
                    "id": 854,
                    "messages": [{"id": "1", "message": {"type": "message", "message": "hi"}}, {"id": 2}],
                }
            ],
            Messages({854: (Message(1, "hi"), Message(2, None))}, complete=True),
        ),
        (
            [LAST, {**LAST, "id": 3392, "caseId": "860"}, {**LAST, "id": 3393, "message": None}],
            Messages(
                {
                    854: (Message(3391, "lk", 1618316222000), Message(3393, None, 1618316222000)),
                    860: (Message(3392, "lk", 1618316222000),),
                },
                complete=False,
            ),
        ),
        ([], Messages({}, complete=False)),
    ],
)
async def test_messages_are_the_last_ones_or_all(
    server: Scripted, acquire: Acquire, data: object, expected: Messages
):
    """A thread's messages are read per case; they count as complete only where all of them are shown."""
    server.script(answer(200, {"data": data}))
    assert await acquire.read_messages(THREAD, CONTACT) == expected
    (asked,) = server.received
    assert asked.target == f"/api/v1/crm/messenger/chat/messages?threadId={THREAD}&contactId={CONTACT}"


@pytest.mark.parametrize("data", [{}, [3], [{"lastMessage": LAST}], [{"id": 1, "lastMessage": {"id": "x"}}]])
async def test_malformed_messages_are_not_read(server: Scripted, acquire: Acquire, data: object):
    """Messages without ids are a failed read."""
    server.script(answer(200, {"data": data}))
    with pytest.raises(ReadFailed):
        await acquire.read_messages(THREAD, CONTACT)


def found(contact_id: int, value: str, **changes: Any) -> dict[str, Any]:
    return {
        "mainContactId": contact_id,
        "contactId": contact_id,
        "key": "email",
        "value": value,
        "fields": {},
        **changes,
    }


def listed(*entries: object, count: int | None = None) -> dict[str, Any]:
    return {
        "data": {"list": list(entries), "counts": {"filteredCount": len(entries) if count is None else count}}
    }


async def test_a_contact_is_found_by_its_very_address(server: Scripted, acquire: Acquire):
    """Only the very address counts, in any case of letters; merged contacts count under their main id."""
    server.script(
        answer(
            200,
            listed(
                found(1, "Ann@Example.com "),
                found(2, "joann@example.com"),
                found(3, "ann@example.com", mainContactId=1),
                found(4, "Ann", key="name", fields={"email": "ann@example.com"}),
                found(5, "ann@example.com", key="note"),
                found(6, "x", fields={"managerEmail": "ann@example.com"}),
            ),
        )
    )
    assert await acquire.find_contacts(" ann@example.com") == (1, 4)
    (asked,) = server.received
    assert (asked.method, asked.path) == ("POST", "/api/v1/crm/contact/list")
    assert asked.json == {"payload": {}, "page": 0, "limit": 0, "search": "ann@example.com"}


async def test_contacts_on_later_pages_are_found(server: Scripted, acquire: Acquire):
    """Where Acquire found more than it listed, the next page is read, to the end or not at all."""
    server.script(
        answer(200, listed(found(1, "b@example.com"), count=2)),
        answer(200, listed(found(2, "a@example.com"), count=2)),
    )
    assert await acquire.find_contacts("a@example.com") == (2,)
    assert [asked.json["page"] for asked in server.received] == [0, 1]
    server.script(answer(200, listed(found(1, "a@example.com"), count=2)))
    with pytest.raises(ReadFailed):
        await acquire.find_contacts("a@example.com")
    assert [asked.json["page"] for asked in server.received[2:]] == [0, 1]


async def test_a_list_without_end_is_given_up(server: Scripted, acquire: Acquire):
    """Twenty pages are read: an account in which so many look alike tells nobody whose reply it is."""
    server.script(*(answer(200, listed(found(n, "b@example.com"), count=1_000)) for n in range(1, 31)))
    with pytest.raises(ReadFailed):
        await acquire.find_contacts("a@example.com")
    assert len(server.received) == 20


async def test_no_address_finds_nobody_without_asking(server: Scripted, acquire: Acquire):
    """An empty address is nobody's: searching for it would list everybody."""
    assert await acquire.find_contacts("  ") == ()
    assert server.received == []


async def test_a_read_ends_in_time(server: Scripted, acquire: Acquire):
    """A read that gets no answer fails when its time is up."""
    server.script(hang())
    with pytest.raises(ReadFailed, match="no whole answer within 1 s"):
        await acquire.read_case(7)
