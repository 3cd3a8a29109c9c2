"""What comes without end, or does not come, holds nothing of the receiver for long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from service import bounded
from tests.running import served

HEAD = b"POST /webhooks/x HTTP/1.1\r\nhost: test\r\n"


async def app(_scope, receive, send):
    """Reads all, then answers."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def connected() -> Iterator[socket.socket]:
    with served(app, lifespan="off") as origin:
        parts = urlsplit(origin)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            yield connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST / HT", id="half a line"),
        pytest.param(HEAD + b"x-", id="half a head"),
        pytest.param(HEAD + b"content-length: 9\r\n\r\n{", id="half a body"),
        pytest.param(HEAD + b"content-length: 2\r\n\r\n{}" + HEAD, id="half of the second"),
    ],
)
def test_a_request_that_does_not_come_is_cut_off(monkeypatch, begun):
    """Whoever begins a request and does not end it is not waited for."""
    monkeypatch.setattr(bounded, "SLOW_SECONDS", 0.1)
    with connected() as connection:
        connection.sendall(begun)
        assert all_of(connection).count(b"200 OK") == begun.count(b"{}")


def test_a_connection_may_rest_between_requests(monkeypatch):
    """What was answered is over: the next request may come as late as the keep-alive allows."""
    monkeypatch.setattr(bounded, "SLOW_SECONDS", 0.05)
    with connected() as connection:
        for _ in range(3):
            connection.sendall(HEAD + b"content-length: 2\r\n\r\n{}")
            received = b""
            while not received.endswith(b"ok"):
                received += connection.recv(65536)
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(20)


@pytest.mark.parametrize(
    "line", [b"x-a: " + b"a" * 2000 + b"\r\n", b"a" * 2000], ids=["many headers", "one without end"]
)
def test_a_head_without_end_is_refused(line):
    """A head is read no further than its bound."""
    with connected() as connection:
        sent = 0
        try:
            connection.sendall(HEAD)
            while sent < 8 * bounded.LARGEST_HEAD_BYTES:
                connection.sendall(line)
                sent += len(line)
        except OSError:
            pass
        assert sent < 8 * bounded.LARGEST_HEAD_BYTES or b"400 Bad Request" in all_of(connection)


def test_trailers_without_end_are_cut_off(monkeypatch):
    """What comes after a body in chunks is bounded too."""
    monkeypatch.setattr(bounded, "LARGEST_REQUEST_BYTES", 100_000)
    with connected() as connection:
        try:
            connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
            for _ in range(1_000):
                connection.sendall(b"x-a: " + b"a" * 2000 + b"\r\n")
        except OSError:
            pass
        assert b"200 OK" not in all_of(connection)
