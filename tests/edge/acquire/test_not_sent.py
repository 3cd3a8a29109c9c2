"""What breaks before a request has left was not sent, and may be tried again (rule 9)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import h11
import pytest
import uvloop

from service.clock import SystemClock
from service.domain.outcomes import Done, NotSent
from service.settings import Secret
from tests.edge.acquire.scripted import (
    CREATED,
    THREAD,
    Scripted,
    answer,
    client,
    free_port,
    hang,
    outcome,
    sending,
    settings,
    yes,
)
from workers.acquire import AcquireClient


async def test_nothing_listening_is_not_sent():
    """A refused connection sent nothing."""
    ended = await _outcome_at(f"http://127.0.0.1:{free_port()}")
    assert isinstance(ended, NotSent)


async def test_an_unknown_name_is_not_sent():
    """A name that nobody knows sent nothing."""
    assert isinstance(await _outcome_at("http://acquire.invalid"), NotSent)


async def test_a_connection_that_does_not_come_about_is_not_sent():
    """A connect that takes too long sent nothing."""
    with _deaf() as (host, port):
        ended = await _outcome_at(f"http://{host}:{port}", timeout_seconds=0.3)
    assert isinstance(ended, NotSent)


@contextmanager
def _deaf() -> Iterator[tuple[str, int]]:
    """Where a connect gets no answer: the line of those to be accepted is full."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_handshake_without_an_answer_is_not_sent(run):
    """Where TLS does not come about in time nothing was sent, the step is told, and the connection reset."""

    async def wait() -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            listening.settimeout(5)
            origin = f"https://127.0.0.1:{listening.getsockname()[1]}"
            ended = await _outcome_at(origin, timeout_seconds=0.3)
            assert isinstance(ended, NotSent)
            assert "TLS" in ended.error
            taken, _ = listening.accept()
            taken.settimeout(5)
            with taken, pytest.raises(ConnectionResetError):
                taken.recv(1_048_576) and taken.recv(1)  # what it said first, and how it ended

    run(wait())


async def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
):
    """Of a host's addresses the first that answers is taken, long before the others' time is up."""
    with _deaf() as (host, port):
        answering = ("127.0.0.1", urlsplit(server.origin).port)
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in ((host, port), answering)]

        async def found(*_: object, **__: object) -> object:
            return addresses

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
        clock = SystemClock()
        began = clock.monotonic()
        assert await outcome(server, answer(200, CREATED), timeout_seconds=20) == Done(1694, THREAD)
        assert clock.monotonic() - began < 9  # the limit of one connect


async def test_no_free_connection_is_not_sent(server: Scripted):
    """A call that waits for a connection until its time is up sent nothing."""
    server.script(hang())
    acquire = client(server, concurrency=1, timeout_seconds=0.3)
    busy = [asyncio.create_task(_unbounded_call(acquire)) for _ in range(2)]
    await server.until(lambda: len(server.received) == 2)
    assert isinstance(await acquire.session().send(sending(), may_send=yes), NotSent)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    await acquire.aclose()


async def _unbounded_call(acquire: AcquireClient) -> None:
    course = SimpleNamespace(began=lambda: None, done=lambda _: None, sending=lambda: None)
    head = h11.Request(method="GET", target="/", headers=[("Host", "x")])
    async with acquire._wire._connections.one(course) as connection:
        await connection.exchange(head, b"", course)


async def test_plain_http_where_tls_is_expected_is_not_sent(server: Scripted):
    """A handshake that fails sent nothing of the request."""
    ended = await _outcome_at(server.origin.replace("http:", "https:"), timeout_seconds=0.5)
    assert isinstance(ended, NotSent)


async def test_a_key_that_breaks_the_head_is_not_sent_and_not_told(server: Scripted):
    """A request that breaks HTTP's rules sends nothing, and its error does not quote the key."""
    ended = await outcome(server, answer(200, CREATED), api_key=Secret("broken\nkey"))
    assert isinstance(ended, NotSent)
    assert "key" not in ended.error
    assert server.bytes_received == 0


async def _outcome_at(origin: str, **changes: Any) -> object:
    acquire = AcquireClient(settings(origin, **changes), clock=SystemClock(), concurrency=1)
    try:
        return await acquire.session().send(sending(), may_send=yes)
    finally:
        await acquire.aclose()
