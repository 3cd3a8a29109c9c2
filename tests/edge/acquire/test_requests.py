"""What is sent to Acquire, as a real server receives it, held to the vendor's own page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.domain.outcomes import Done, Misplaced, Outcome, Unknown
from service.domain.ports import Sending
from tests.edge.acquire.scripted import (
    CONTACT,
    KEY,
    THREAD,
    Received,
    Scripted,
    answer,
    client,
    sending,
    yes,
)

PAGE = (Path(__file__).parents[2] / "fixtures" / "acquire-reopen-case.txt").read_text()
PREFIX = "/api/v1/crm/messenger/chat"


@dataclass(frozen=True)
class VendorPage:
    """What the vendor's page says of the one call this project exists for."""

    method: str
    path: str
    query_names: list[str]
    required_headers: dict[str, str]
    answer: dict[str, Any]
    body: dict[str, Any]


def _vendor_page() -> VendorPage:
    address = re.search(r"^(POST)\n(https://\S+)$", PAGE, re.MULTILINE)
    assert address is not None
    path, _, query = address[2].partition(".acquire.io")[2].partition("?")
    header = re.search(r"^(\w+)\*\nstring\n(Bearer) \{\{API_KEY\}\}$", PAGE, re.MULTILINE)
    assert header is not None
    return VendorPage(
        method=address[1],
        path=path,
        query_names=[part.partition("=")[0] for part in query.split("&")],
        required_headers={header[1].lower(): header[2]},
        answer=_json_after("---|---|---|\n{"),
        body=_json_after("Body (raw)\n{"),
    )


def _json_after(marker: str) -> dict[str, Any]:
    start = PAGE.rindex(marker) + len(marker) - 1
    value: dict[str, Any] = json.JSONDecoder().raw_decode(PAGE, start)[0]
    return value


@pytest.fixture
def server(server: Scripted) -> Scripted:
    server.script(answer(200, _vendor_page().answer))
    return server


async def send(server: Scripted, what: Sending, **changes: Any) -> tuple[Received, Outcome]:
    acquire = client(server, **changes)
    try:
        outcome = await acquire.session().send(what, may_send=yes)
    finally:
        await acquire.aclose()
    return server.received[-1], outcome


async def test_the_reopen_call_is_the_one_on_the_vendors_page(server: Scripted):
    """URL, method, header and body shape are the page's, and its sample answer is read as the new case."""
    page = _vendor_page()
    words = page.body["message"]["message"]
    received, outcome = await send(
        server, sending(text=words, ticket_id="string", session_id=str(page.body["sessionId"]))
    )
    assert (received.method, received.path) == (page.method, page.path)
    assert [name for name, _ in received.query] == page.query_names
    assert received.query == [("contactId", str(CONTACT))]
    assert {name: received.headers[name] for name in page.required_headers} == {
        "authorization": f"Bearer {KEY}"
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["accept-encoding"] == "identity", "what is packed could unpack to anything"
    # Field for field as on the page; the rest of its sample is filler that is never sent as a default.
    assert received.json == {
        name: page.body[name] for name in ("title", "message", "channel", "sessionId", "threadId")
    }
    new_case = page.answer["data"]
    assert outcome == Done(new_case["id"], new_case["threadId"])
    assert outcome == Done(1694, THREAD)


async def test_the_body_is_whole_without_a_session(server: Scripted):
    """Without a known session the body holds thread, channel, title and message, and nothing else."""
    received, _ = await send(server, sending(text="It broke again."))
    assert received.json == {
        "threadId": THREAD,
        "channel": "chat",
        "title": "4711",
        "message": {"type": "message", "message": "It broke again.", "translateLangKey": ""},
    }


@pytest.mark.parametrize(
    "text",
    [
        "  two\n\nlines\t ",
        '<b>&amp;</b> "quoted" \\',
        "Grüße 👋🏽 \u202e",
        "{{ token }}",
        "\ud83d half",
        "\x00\x1b[31m",
        "",
    ],
)
async def test_the_customers_words_arrive_as_they_came(server: Scripted, text: str):
    """The text is neither trimmed nor escaped nor filled in, in a reopen and in an append."""
    for case_id in (None, 9):
        received, _ = await send(server, sending(text=text, case_id=case_id))
        assert received.json["message"]["message"] == text


@pytest.mark.parametrize(
    ("session_id", "told"),
    [
        ("3711819272", 3711819272),
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551615", 18446744073709551615),
        ("007", "007"),
        ("99999999999999999999999", "99999999999999999999999"),
        ("s-1", "s-1"),
    ],
)
async def test_a_session_is_a_number_where_it_is_one(server: Scripted, session_id: str, told: object):
    """The old case's session is sent as the number it is, with all 64 bits, and else as it was read."""
    received, _ = await send(server, sending(session_id=session_id))
    assert received.json["sessionId"] == told


async def test_templates_fill_the_body(server: Scripted):
    """[acquire.body] adds fields; its strings are templates, alone in a string they keep numbers numbers, and
    its tables are merged into ours.
    """
    body = {
        "title": "Ticket {{ticket_id}} of {{ source }}",
        "channel": "email",
        "sessionId": 12,
        "fields": {"ref": "{{ token }}", "ids": ["{{ contact_id }}", "{{ thread_id }}/{{ event_id }}"]},
        "message": {"translateLangKey": "de"},
        "routeAgentId": 7,
        "quiet": True,
        "words": "{{ message }}",
        "id": "{{ reopen_id }}",
    }
    received, _ = await send(server, sending(text="{{ token }}", session_id="5"), body=body)
    assert received.json == {
        "title": "Ticket 4711 of support",
        "channel": "email",
        "sessionId": 12,
        "fields": {"ref": "rx-aaaabbbbcccc", "ids": [CONTACT, f"{THREAD}/msg_1"]},
        "message": {"type": "message", "message": "{{ token }}", "translateLangKey": "de"},
        "routeAgentId": 7,
        "quiet": True,
        "words": "{{ token }}",
        "id": "aaaabbbbccccdddd",
        "threadId": THREAD,
    }


@pytest.mark.parametrize(
    ("title", "ticket_id", "told"),
    [
        ("{{ ticket_id }}", None, "rx-aaaabbbbcccc"),
        ("{{ thread_id }}", None, "1683"),
        ("Re: {{ ticket_id }}", None, "Re: "),
        ("", "4711", "rx-aaaabbbbcccc"),
    ],
)
async def test_a_case_always_has_a_title(server: Scripted, title: str, ticket_id: str | None, told: str):
    """The title is text; where it comes out empty it is the reopen's token."""
    received, _ = await send(server, sending(ticket_id=ticket_id), body={"title": title})
    assert received.json["title"] == told


@pytest.mark.parametrize("case_id", [None, 9])
async def test_user_type_adds_the_vendors_parameter(server: Scripted, case_id: int | None):
    """`user_type` is sent under both spellings the vendor uses, with reopens and appends."""
    received, _ = await send(server, sending(case_id=case_id), user_type="contact")
    assert ("-x-user-type", "contact") in received.query
    assert ("x-user-type", "contact") in received.query


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"id": 8289, "caseId": 9, "threadId": THREAD}, Done(9, THREAD, 8289)),
        ({"id": "8289", "caseId": "9"}, Done(9, THREAD, 8289)),
        ({"id": 8289, "caseId": 10, "threadId": THREAD}, Misplaced(10, THREAD)),
        ({"id": 8289, "caseId": 9, "threadId": 5}, Misplaced(9, 5)),
        ({"id": 8289, "threadId": THREAD}, Unknown("the answer is unreadable: no case", 200)),
        ({"caseId": 9, "threadId": THREAD}, Unknown("the answer is unreadable: no id of a message", 200)),
    ],
)
async def test_an_append_names_the_case(server: Scripted, data: dict[str, Any], expected: Outcome):
    """An append goes to its case alone, and counts only as a message of that case."""
    server.script(answer(200, {"data": data}))
    received, outcome = await send(server, sending(text="More.", case_id=9))
    assert (received.method, received.target) == ("POST", f"{PREFIX}/add-message")
    assert received.json == {
        "channel": "chat",
        "caseId": 9,
        "message": {"type": "message", "message": "More.", "translateLangKey": ""},
    }
    assert outcome == expected
