"""Calls to Acquire: the last check, errors placed by where they broke, connections used again, timings."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import h11
import pytest

from service.clock import SystemClock
from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import Done, NotSent, Unknown
from tests.clocks import HandClock
from tests.edge.acquire.scripted import (
    CREATED,
    HTML,
    KEY,
    OWN_FORM,
    THREAD,
    Scripted,
    Step,
    answer,
    client,
    cut_after,
    free_port,
    hang,
    sending,
    settings,
    yes,
)
from workers.acquire import AcquireClient
from workers.acquire.connection import ConnectionEnded, Course, Response
from workers.acquire.connections import NoConnection, Opening


async def test_the_last_check_comes_when_the_connection_stands(server: Scripted):
    """`may_send` is asked once, on a ready connection, before the first byte; "no" sends nothing."""
    server.script(answer(200, CREATED))
    asked: list[tuple[int, int]] = []

    def no() -> bool:
        asked.append((server.connections, server.bytes_received))
        return False

    acquire = client(server)
    session = acquire.session()
    refused = await session.send(sending(), may_send=no)
    await server.until(lambda: server.resets == 1)
    assert isinstance(refused, NotSent)
    assert len(asked) == 1
    assert (server.received, server.bytes_received) == ([], 0)

    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert isinstance(await session.send(sending(), may_send=no), NotSent)
    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert [request.connection for request in server.received] == [2, 3], (
        "a refused connection is not used on"
    )
    await acquire.aclose()


async def test_a_call_that_is_not_sent_leaves_no_fault_behind(server: Scripted):
    """Where the last check says no, the connection ends, and nobody is told of a fault."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    acquire = client(server)
    refused = await acquire.session().send(sending(), may_send=lambda: False)
    assert isinstance(refused, NotSent)
    await server.until(lambda: server.resets == 1)
    gc.collect()
    assert told == []


async def test_a_last_check_that_fails_sends_nothing(server: Scripted):
    """A check that raises counts as no."""

    def broken() -> bool:
        raise RuntimeError("no clock")

    acquire = client(server)
    assert isinstance(await acquire.session().send(sending(), may_send=broken), NotSent)
    assert server.bytes_received == 0
    await acquire.aclose()


async def test_a_cancelled_call_is_cancelled(server: Scripted):
    """Cancelling a call lets the cancellation through and frees its connection."""
    server.script(hang())
    acquire = client(server, concurrency=1, timeout_seconds=30)
    calling = asyncio.create_task(acquire.session().send(sending(), may_send=yes))
    await server.until(lambda: len(server.received) == 1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    server.script(answer(200, CREATED))
    for _ in range(3):
        assert await acquire.session().send(sending(), may_send=yes) == Done(1694, THREAD)
    await acquire.aclose()


class _Breaking:
    """Connections that break, before or after they say that the request goes out."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        self._error, self._sent = error, sent

    @asynccontextmanager
    async def one(self, _: Opening) -> AsyncIterator[_Breaking]:
        yield self

    async def exchange(self, _: h11.Request, __: bytes, course: Course) -> Response:
        if self._sent:
            course.sending()
        raise self._error


def _tree(root: type[BaseException]) -> set[type[BaseException]]:
    return {root}.union(*(_tree(child) for child in root.__subclasses__()))


LIBRARY_ERRORS = sorted(
    _tree(h11.ProtocolError)
    | {NoConnection, ConnectionEnded}
    | {OSError, ssl.SSLError, ConnectionResetError, BrokenPipeError, TimeoutError},
    key=lambda kind: (kind.__module__, kind.__name__),
)


@pytest.mark.parametrize("kind", [*LIBRARY_ERRORS, RuntimeError, ValueError, AssertionError])
async def test_every_error_is_placed_by_where_it_broke(server: Scripted, kind: type[Exception]):
    """Each error of h11, of the event loop's transports, and any fault of ours, is `NotSent` before the
    first byte and `Unknown` after it.
    """
    acquire = client(server)
    for was_sent, expected in ((False, NotSent), (True, Unknown)):
        error = kind.__new__(kind)
        acquire._wire._connections = _Breaking(error, sent=was_sent)
        assert isinstance(await acquire.session().send(sending(), may_send=yes), expected)
        with pytest.raises(ReadFailed):
            await acquire.session().read_case(7)


async def test_connections_are_used_again_and_one_that_was_closed_is_not(server: Scripted):
    """Calls share a connection; one that the server closed in the meantime costs nothing."""
    server.script(answer(200, CREATED), answer(200, CREATED), cut_after(b""), answer(200, CREATED))
    acquire = client(server)
    session = acquire.session()
    for _ in range(2):
        assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert server.connections == 1
    assert isinstance(await session.send(sending(), may_send=yes), Unknown)
    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert server.connections == 2
    await acquire.aclose()


async def test_a_connection_whose_end_was_not_noticed_yet_is_not_used():
    """The kernel is asked before a request is written: the event loop may not have turned since the end."""
    may_end, has_ended = threading.Event(), threading.Event()
    content = json.dumps(CREATED).encode()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            taken, _ = listening.accept()
            with taken:
                taken.recv(65_536)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
                may_end.wait(10)
            has_ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        server = threading.Thread(target=serve, args=(listening,), daemon=True)
        server.start()
        acquire = AcquireClient(
            settings(f"http://127.0.0.1:{listening.getsockname()[1]}"), clock=SystemClock()
        )
        assert await acquire.session().send(sending(), may_send=yes) == Done(1694, THREAD)
        may_end.set()
        assert has_ended.wait(10)  # and the loop stands still meanwhile
        assert await acquire.session().send(sending(), may_send=yes) == Done(1694, THREAD)
        await acquire.aclose()
        server.join()


async def test_a_connection_that_was_idle_for_four_seconds_is_not_used_again(server: Scripted):
    """Servers close idle connections, some after five seconds; what is written meanwhile is in doubt."""
    server.script(answer(200, CREATED))
    clock = HandClock()
    acquire = AcquireClient(settings(server.origin), clock=clock)
    for idle_seconds, connections in ((0, 1), (3.9, 1), (3.9, 1), (4.1, 2)):
        clock.moment += timedelta(seconds=idle_seconds)
        assert await acquire.session().send(sending(), may_send=yes) == Done(1694, THREAD)
        assert server.connections == connections
    await server.until(lambda: server.resets == 1)
    await acquire.aclose()


@pytest.mark.parametrize(("timeout_seconds", "connect_seconds"), [(10, 4.5), (60, 5)])
def test_a_connect_has_a_limit_of_its_own(timeout_seconds: float, connect_seconds: float):
    """To connect takes less than half of a call's time, so that TLS has as much, and five seconds at most."""
    wire = AcquireClient(settings("https://x", timeout_seconds=timeout_seconds), clock=SystemClock())._wire
    assert wire._connections._place.connect_seconds == connect_seconds


@pytest.mark.parametrize(
    ("origin", "port"), [("https://x", 443), ("http://127.0.0.1", 80), ("https://x:8443", 8443)]
)
def test_an_origin_without_a_port_has_that_of_its_scheme(origin: str, port: int):
    """HTTPS is at 443 and HTTP at 80, unless the origin says otherwise."""
    wire = AcquireClient(settings(origin), clock=SystemClock())._wire
    assert wire._connections._place.port == port


async def test_nothing_is_kept_or_followed(server: Scripted, monkeypatch: pytest.MonkeyPatch):
    """No cookie is returned, no redirect followed, no proxy of the environment used."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    server.script(
        answer(200, CREATED, headers={"Set-Cookie": "session=1"}),
        answer(307, headers={"Location": server.origin + "/x"}),
        answer(200, CREATED),
    )
    acquire = client(server)
    session = acquire.session()
    for _ in range(3):
        await session.send(sending(), may_send=yes)
    assert len(server.received) == 3
    assert not any("cookie" in request.headers for request in server.received)
    await acquire.aclose()


async def test_calls_are_told_with_their_timings(server: Scripted):
    """Each call is recorded once, with status, error, and how long connect and first byte took."""
    server.script(answer(200, CREATED), cut_after(b""))
    acquire = client(server)
    session = acquire.session()
    await session.send(sending(), may_send=yes)
    await session.send(sending(), may_send=yes)
    first, second = session.calls()
    assert (first.name, first.http_status, first.error) == ("reopen", 200, None)
    assert [step for step, _ in first.timings_ms] == ["connect", "first_byte"]
    assert 0 <= sum(ms for _, ms in first.timings_ms) <= first.duration_ms + 2
    assert abs(SystemClock().now_ms() - first.started_ms) < 5000
    assert second.http_status is None
    assert second.error
    assert session.calls() == ()
    await acquire.aclose()


@pytest.mark.parametrize(
    ("step", "kind", "told"),
    [
        (answer(401, {"message": "Bad key"}), AccountRefused, {"http_status": 401}),
        (answer(403, {}), AccountRefused, {"http_status": 403}),
        (answer(429), ReadFailed, {"http_status": 429, "retry_after_seconds": 1.0}),
        (answer(503, OWN_FORM, {"Retry-After": "9"}), ReadFailed, {"retry_after_seconds": 9.0}),
        (answer(503, raw=HTML), ReadFailed, {"http_status": 503, "retry_after_seconds": None}),
        (answer(500, {}), ReadFailed, {"http_status": 500, "supported": True}),
        (answer(405, {}), ReadFailed, {"http_status": 405, "supported": False}),
        (answer(410, {}), ReadFailed, {"http_status": 410, "supported": False}),
        (answer(501, {}), ReadFailed, {"http_status": 501, "supported": False}),
        (answer(404, raw=b"<h1>Cannot GET</h1>"), ReadFailed, {"http_status": 404, "supported": False}),
        (answer(200, raw=b"<h1>Welcome</h1>"), ReadFailed, {"http_status": 200}),
        (cut_after(b""), ReadFailed, {"http_status": None, "retry_after_seconds": None}),
    ],
)
async def test_a_read_that_fails_says_why(
    server: Scripted, step: Step, kind: type[ReadFailed], told: Mapping[str, Any]
):
    """A failed read tells status, pause, and whether asking again can help; a refused key is told as such."""
    server.script(step)
    acquire = client(server)
    with pytest.raises(ReadFailed) as failure:
        await acquire.session().read_case(7)
    assert type(failure.value) is kind
    assert {name: getattr(failure.value, name) for name in told} == told
    assert KEY not in str(failure.value)
    await acquire.aclose()
