"""Calls to Acquire end as rule 9 says, wherever they break: against a real server, byte for byte."""

from __future__ import annotations

import asyncio
import json

import pytest

from service.clock import SystemClock
from service.domain.outcomes import Done, Misplaced, Refused, Throttled, Unauthorized, Unknown
from tests.edge.acquire.scripted import (
    CREATED,
    HTML,
    OWN_FORM,
    THREAD,
    Scripted,
    Step,
    answer,
    client,
    cut_after,
    drip,
    hang,
    outcome,
    reset,
    sending,
    sent,
    yes,
)

GOOD = json.dumps(CREATED).encode()


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (answer(200, CREATED), Done(1694, THREAD)),
        (answer(201, CREATED), Done(1694, THREAD, http_status=201)),
        (answer(200, {"data": {"id": "1694", "threadId": "1683"}}), Done(1694, THREAD)),
        (answer(200, {"data": {"id": 2**63, "parentId": THREAD}}), Done(2**63, THREAD)),
        (answer(200, {"data": {"id": 1700, "threadId": 1700, "parentId": None}}), Misplaced(1700, 1700)),
        (answer(200, {"data": {"id": 1700, "parentId": None}}), Misplaced(1700, 1700)),
        (answer(200, {"data": {"id": None, "threadId": 99}}), Misplaced(None, 99)),
        (answer(400, {"message": "No such thread"}), Refused(400, "No such thread")),
        (answer(404, raw=b"Cannot POST"), Refused(404, "HTTP 404")),
        (answer(422, {"error": {"code": "ERROR_INVALID_INPUT"}}), Refused(422, "ERROR_INVALID_INPUT")),
        (answer(401, {"message": "Bad key"}), Unauthorized(401, "Bad key")),
        (answer(403, raw=HTML), Unauthorized(403, "HTTP 403")),
        (answer(429), Throttled(429, None)),
        (answer(429, headers={"Retry-After": "7"}), Throttled(429, 7.0)),
        (answer(429, headers={"retry-after-ms": "1500", "Retry-After": "2"}), Throttled(429, 1.5)),
        (answer(503, raw=HTML, headers={"Retry-After": "30"}), Throttled(503, 30.0)),
        (answer(503, OWN_FORM), Throttled(503, None)),
    ],
)
async def test_what_acquire_itself_says_is_taken_at_its_word(server: Scripted, step: Step, expected: object):
    """An answer that Acquire itself gave decides: done, elsewhere, refused, asked to wait, or key refused."""
    assert await outcome(server, step) == expected


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(answer(503, raw=HTML), id="a proxy's 503"),
        pytest.param(
            answer(503, raw=HTML, headers={"Retry-After": "soon"}), id="503 with an unreadable date"
        ),
        pytest.param(answer(503, {}), id="503 that says nothing"),
        pytest.param(answer(500, {"message": "Oops"}), id="500"),
        pytest.param(answer(502, raw=HTML), id="502"),
        pytest.param(answer(504, raw=HTML), id="504"),
        pytest.param(answer(408), id="408"),
        pytest.param(answer(302, headers={"Location": "/elsewhere"}), id="a redirect"),
        pytest.param(answer(200, raw=b""), id="empty"),
        pytest.param(sent(b"HTTP/1.1 204 No Content\r\n\r\n"), id="204"),
        pytest.param(answer(200, raw=b"OK"), id="not JSON"),
        pytest.param(answer(200, raw=GOOD[:-3]), id="half of the JSON"),
        pytest.param(answer(200, raw=b"[" * 100_000), id="JSON too deep"),
        pytest.param(answer(200, raw=b'{"data": {"id": ' + b"9" * 5000 + b"}}"), id="a number too long"),
        pytest.param(answer(200, raw=b"\xff\xfe\xfd"), id="no text"),
        pytest.param(answer(200, []), id="a list"),
        pytest.param(answer(200, {"data": []}), id="a list of data"),
        pytest.param(answer(200, {"data": {"id": 1694}}), id="no thread"),
        pytest.param(answer(200, {"data": {"threadId": THREAD}}), id="no id"),
        pytest.param(answer(200, {"data": {"id": 1694.0, "threadId": THREAD}}), id="an id with a fraction"),
        pytest.param(answer(200, {"data": {"id": True, "threadId": THREAD}}), id="an id that is true"),
        pytest.param(answer(200, {"data": {"id": -1, "threadId": THREAD}}), id="a negative id"),
        pytest.param(answer(200, {"data": {"id": 2**64, "threadId": THREAD}}), id="an id over 64 bits"),
        pytest.param(answer(200, {"data": {"id": 1694, "threadId": "soon"}}), id="a thread that is no id"),
        pytest.param(answer(200, {"error": "failed"}), id="200 with an error"),
        pytest.param(answer(200, raw=GOOD.ljust(1_048_577)), id="over 1 MiB"),
        pytest.param(cut_after(b""), id="cut before the head"),
        pytest.param(reset(), id="reset before the head"),
        pytest.param(cut_after(b"HTTP/1.1 200 OK\r\nContent-Le"), id="cut in the head"),
        pytest.param(
            cut_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + GOOD), id="cut in the body"
        ),
        pytest.param(
            cut_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz"),
            id="bad chunks",
        ),
        pytest.param(cut_after(b"\x00\x01garbage\r\n\r\n"), id="garbage"),
        pytest.param(cut_after(b"HTTP/2.0 200\r\n\r\n"), id="another protocol"),
        pytest.param(cut_after(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), id="a head without end"),
        pytest.param(
            sent(_whole(GOOD).replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n" % (b"x" * 1_000_000))),
            id="a head of a megabyte",
        ),
        pytest.param(sent(b"HTTP/1.1 100 Continue\r\n\r\n"), id="only 100"),
        pytest.param(sent(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), id="101"),
        pytest.param(hang(), id="no answer"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + GOOD, 0.05), id="dripping"),
        pytest.param(
            sent(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + b"\x1f\x8b" * 10
            ),
            id="packed",
        ),
    ],
)
async def test_whatever_is_no_trustworthy_answer_is_unknown(server: Scripted, step: Step):
    """Once the request has left, all that is no trustworthy answer leaves the outcome unknown."""
    ended = await outcome(server, step, timeout_seconds=1.5)
    assert isinstance(ended, Unknown)
    assert ended.error
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(answer(200, raw=GOOD.ljust(1_048_576)), id="1 MiB"),
        pytest.param(cut_after(b"HTTP/1.1 200 OK\r\n\r\n" + GOOD), id="up to the end of the connection"),
        pytest.param(cut_after(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD), id="HTTP/1.0"),
        pytest.param(
            sent(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
                % (len(GOOD), GOOD)
            ),
            id="in a chunk",
        ),
        pytest.param(
            sent(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
                % (len(GOOD), GOOD)
            ),
            id="after 100",
        ),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(GOOD), GOOD), 0.001),
            id="byte by byte",
        ),
    ],
)
async def test_an_answer_may_come_in_any_form_of_http(server: Scripted, step: Step):
    """However HTTP tells where an answer ends, and however it is cut up, it is read whole."""
    assert await outcome(server, step) == Done(1694, THREAD)


@pytest.mark.parametrize("apart", [False, True])
async def test_what_comes_after_an_answer_is_no_answer_to_the_next_call(server: Scripted, apart: bool):
    """A connection on which more came than was asked for is not used again."""
    both = [_whole(GOOD), _whole(json.dumps({"data": {"id": 7, "threadId": THREAD}}).encode())]
    server.script(_one_after_another(*both) if apart else sent(b"".join(both)), answer(200, CREATED))
    acquire = client(server)
    session = acquire.session()
    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    await server.until(lambda: server.resets == 1)
    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert server.connections == 2
    await acquire.aclose()


def _one_after_another(first: bytes, second: bytes) -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        await sent(first)(writer)
        await asyncio.sleep(0.05)
        await sent(second)(writer)

    return step


async def test_an_answer_that_breaks_off_keeps_its_status(server: Scripted):
    """The status of an answer whose body broke off is told with the unknown outcome."""
    ended = await outcome(server, cut_after(b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"))
    assert isinstance(ended, Unknown)
    assert ended.http_status == 201


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_a_connection_that_ends_without_an_answer_says_so(server: Scripted, before: bytes):
    """That the server ended the connection is told in words that a person understands."""
    ended = await outcome(server, cut_after(before))
    assert isinstance(ended, Unknown)
    assert ended.error == "ConnectionEnded: the server ended the connection without an answer"


async def test_a_connection_that_is_reset_is_not_waited_for(server: Scripted):
    """Once the connection is gone the call ends, with all of its time left."""
    ended = await outcome(server, reset(), timeout_seconds=60)
    assert isinstance(ended, Unknown)
    assert "within" not in ended.error


async def test_a_dripping_answer_ends_with_the_time_out(server: Scripted):
    """An answer that comes byte by byte ends when the whole call's time is up, however lively it is."""
    clock = SystemClock()
    began = clock.monotonic()
    await outcome(server, drip(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000, 0.02), timeout_seconds=0.4)
    assert 0.4 <= clock.monotonic() - began < 1.5


async def test_words_of_acquire_are_bounded_and_printable(server: Scripted):
    """What Acquire says is cut at 300 characters and cannot act on a terminal."""
    ended = await outcome(server, answer(400, {"message": "a\x1b[31m\n\u202eb " + "x" * 10_000}))
    assert isinstance(ended, Refused)
    assert len(ended.words) == 300
    assert ended.words.isprintable()
