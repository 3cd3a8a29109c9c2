"""Single values and whole bodies of Acquire's answers: read in every form, and never more than malformed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.errors import AccountRefused, ReadFailed
from tests.edge.acquire.scripted import sending
from workers.acquire import classify, parse
from workers.acquire.classify import outcome_of
from workers.acquire.retry_after import retry_after_seconds
from workers.acquire.values import as_ms
from workers.acquire.wire import Answer


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "inf"}, 3600.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Mon, 23 Nov 99999999999999999999 10:00:30 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 +99999999999999"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:20 GMT"}, 10.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "today"}, 30.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], expected: float | None):
    """Seconds, HTTP dates and milliseconds are read, bounded to an hour; what cannot be read is no wish."""
    assert retry_after_seconds(headers, datetime(2026, 11, 23, 10, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021-03-24T11:08:17.400Z", 1616584097400),
        ("2021-03-24T12:08:17+01:00", 1616584097000),
        ("2021-07-16 11:49:24", 1626436164000),
        ("Wed Mar 03 2021 10:19:49 GMT+0000 (Coordinated Universal Time)", 1614766789000),
        ("Wed Mar 03 2021 12:19:49 GMT+0200", 1614766789000),
        ("Wed Foo 03 2021 12:19:49 GMT+0200", None),
        ("", None),
        (1616584097, None),
        (None, None),
    ],
)
def test_times_are_read_as_iso_or_as_javascript_writes_them(written: object, expected: int | None):
    """Both ways in which Acquire writes times are read, and nothing else is."""
    assert as_ms(written) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "threadId",
                    "parentId",
                    "caseId",
                    "status",
                    "count",
                    "list",
                    "lastMessage",
                    "cases",
                    "meta",
                    "contact",
                    "fields",
                    "message",
                    "messages",
                    "code",
                    "error",
                    "sessionId",
                    "limit",
                    "counts",
                    "title",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())


@settings(max_examples=300)
@given(body=BODIES, http_status=st.integers(100, 599), case_id=st.none() | st.just(9))
def test_any_answer_has_an_outcome(body: bytes, http_status: int, case_id: int | None):
    """Whatever bytes come with whatever status, the call has one of the outcomes."""
    outcome_of(Answer(http_status, body), sending(case_id=case_id))


@settings(max_examples=300)
@given(body=BODIES)
def test_any_body_is_read_or_malformed(body: bytes):
    """Whatever Acquire shows is read, or is malformed: nothing else comes of it."""
    reads = (
        parse.case,
        parse.messages,
        lambda data: parse.case_page(data, asked_limit=50),
        lambda data: parse.contact_cases(data, contact_id=1),
        lambda data: parse.contact_page(data, email="a@example.com"),
    )
    for read in reads:
        with suppress(parse.Malformed):
            read(parse.data_of(body))


def test_what_concerns_the_whole_account_is_told_first():
    """Of two reads that failed, a cancelled one is told before a refused key, that before a pause, and that
    before all else.
    """
    failures = [
        asyncio.CancelledError(),
        AccountRefused("no", http_status=401),
        ReadFailed("wait", http_status=429, retry_after_seconds=1.0),
        ReadFailed("broke", http_status=500),
    ]
    urgencies = [classify.urgency(each) for each in failures]
    assert urgencies == sorted(set(urgencies))
