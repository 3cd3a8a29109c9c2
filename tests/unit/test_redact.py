"""What people see of a call's bodies: what went where, and nobody's words, address or secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.acquire.compose import Request
from workers.acquire.wire import Answer, Broken
from workers.redact import LARGEST_READ_BYTES, LONGEST_CHARACTERS, answer_told, request_told

WORDS = "My card is 4111-1111, call me at anna@example.com"


def answer(told: object, http_status: int = 200) -> str:
    return answer_told(Answer(http_status, json.dumps(told).encode()))


def test_structure_ids_and_statuses_stay():
    """Who looks at it sees which case of which thread, in which state, and how long what was left out is."""
    told = answer(
        {
            "success": True,
            "data": {
                "id": 1694,
                "threadId": 1683,
                "status": "active",
                "createdAt": "2026-11-23T10:00:00Z",
                "title": WORDS,
                "contact": {"id": 5, "email": "anna@example.com", "phone": 491701234567},
                "messages": [{"id": n, "message": "Hello"} for n in range(9)],
            },
        }
    )
    assert json.loads(told) == {
        "success": True,
        "data": {
            "id": 1694,
            "threadId": 1683,
            "status": "active",
            "createdAt": "2026-11-23T10:00:00Z",
            "title": f"<{len(WORDS)} characters>",
            "contact": {"id": 5, "email": "<16 characters>", "phone": "<a number>"},
            "messages": [*({"id": n, "message": "<5 characters>"} for n in range(3)), "<6 more>"],
        },
    }


def test_a_request():
    """Method, path and query stand before the body."""
    query = (("contactId", "597752"), ("search", "anna@example.com"))
    request = Request(
        "reopen", "POST", "/crm/messenger/chat/create", query, {"threadId": 1683, "message": WORDS}
    )
    assert request_told(request) == (
        "POST /crm/messenger/chat/create?contactId=597752&search=<16 characters>\n"
        f'{{"threadId": 1683, "message": "<{len(WORDS)} characters>"}}'
    )


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (Answer(502, b"<html>bad gateway</html>"), "<24 bytes that are not JSON>"),
        (Answer(200, b"x" * (LARGEST_READ_BYTES + 1)), f"<{LARGEST_READ_BYTES + 1:,} bytes>"),
        (Answer(200, b"[" * 60_000), "<60,000 bytes that are not JSON>"),
        (Broken("ReadTimeout", sent=True), "<no whole answer: sent>"),
        (Broken("ConnectError", sent=False), "<no whole answer: nothing was sent>"),
    ],
    ids=str,
)
def test_what_is_no_json(result: Answer | Broken, told: str):
    """What cannot be read is told by its length, and a lost answer by whether anything was sent."""
    assert answer_told(result) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9) | st.sampled_from(["id", "status", "message", "email"]), inner)
    ),
    max_leaves=30,
)


@given(JSON)
def test_bounded_and_nobodys_words(told: Any):
    """Whatever Acquire says, what is kept is short, and no string with a space or an at sign is in it."""
    shown = answer(told)
    assert len(shown) <= LONGEST_CHARACTERS
    assert WORDS not in shown
    assert "@" not in shown
    if not shown.endswith("…"):
        for text in strings(json.loads(shown)):
            assert text.startswith("<") or " " not in text


@given(st.text(min_size=1), st.sampled_from(["status", "type", "code", "message", "text", "name"]))
def test_a_word_under_an_open_name_alone(text: str, name: str):
    """Only one plain word, and only under a name that holds no person's words, is shown as it is."""
    (shown,) = json.loads(answer({name: text})).values()
    assert shown == text or shown == f"<{len(text):,} characters>"
    if name in {"message", "text", "name"} or not text.isascii() or " " in text:
        assert shown != text


def strings(told: Any) -> list[str]:
    if isinstance(told, dict):
        return [*told, *(text for inner in told.values() for text in strings(inner))]
    if isinstance(told, list):
        return [text for inner in told for text in strings(inner)]
    return [told] if isinstance(told, str) else []
