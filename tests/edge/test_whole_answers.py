"""A delivery's answer leaves in one write, and on the wire it is what uvicorn would have written in two."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service import server
from service.answers import Told
from service.whole import EXTENSION, answer_with
from tests.running import Site, reply, signed

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


@contextmanager
def connected(site: Site) -> Iterator[socket.socket]:
    parts = urlsplit(site.origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        yield connection


def request(event_id: str, *, method: str = "POST", version: str = "1.1", **headers: str) -> bytes:
    content, told = signed(reply(), event_id=event_id)
    told |= {"host": "test", "content-length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} /webhooks/support HTTP/{version}\r\n{head}\r\n".encode() + content


def answers(connection: socket.socket, count: int) -> list[bytes]:
    """So many answers that tell their length, without the time they were given at."""
    received, found = b"", []
    while len(found) < count:
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _more(connection)
        length = int(re.search(rb"content-length: (\d+)", received[:end])[1])
        while len(received) < end + 4 + length:
            received += _more(connection)
        found.append(re.sub(rb"date: [^\r]*", b"date: then", received[: end + 4 + length]))
        received = received[end + 4 + length :]
    assert not received
    return found


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    assert chunk
    return chunk


def exchanged(site: Site, *requests: bytes) -> list[bytes]:
    with connected(site) as connection:
        connection.sendall(b"".join(requests))
        return answers(connection, len(requests))


def test_on_the_wire_it_is_the_same(site: Site, monkeypatch: pytest.MonkeyPatch):
    """Accepted, refused, and asked to close: byte for byte what uvicorn makes of head and body."""
    ways = {
        "known": request("known"),
        "refused": request("refused", **{"webhook-signature": "v1,AAAA"}),
        "last": request("known", connection="close"),
        "old": request("known", version="1.0"),
    }
    exchanged(site, ways["known"])
    whole = {name: exchanged(site, way) for name, way in ways.items()}
    monkeypatch.setattr(server, "EXTENSION", "nobody looks here")
    parted = {name: exchanged(site, way) for name, way in ways.items()}
    assert whole == parted
    assert whole["known"][0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole["refused"][0].startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_requests_in_a_row_are_answered_in_order(site: Site):
    """Requests that are sent without waiting for answers get theirs in turn, each once."""
    told = exchanged(site, *(request(f"evt-{number % 3}") for number in range(9)))
    verdicts = [re.search(rb'"status":"(\w+)"', answer)[1] for answer in told]
    assert verdicts == [b"accepted"] * 3 + [b"duplicate"] * 6
    ids = [re.search(rb'"reopen_id":"(\w+)"', answer)[1] for answer in told]
    assert ids[:3] == ids[3:6] == ids[6:]


def test_an_answer_leaves_nothing_for_the_collector(site: Site):
    """What a request was made of goes with the next one: all would wait for a collector's pause."""
    gc.collect()
    gc.disable()
    try:
        with connected(site) as connection:
            for number in range(30):
                connection.sendall(request(f"evt-{number}"))
                answers(connection, 1)
            kept = [each for each in gc.get_objects() if isinstance(each, RequestResponseCycle)]
    finally:
        gc.enable()
    assert len(kept) < 15, "each connection keeps its latest"


def at_once(connection: server.Protocol) -> None:
    connection.shutdown()


def no_more_comes(connection: server.Protocol) -> None:
    connection.eof_received()
    connection.transport.close()


def nonsense_comes(connection: server.Protocol) -> None:
    connection.data_received(b"nonsense\r\n\r\n")


@pytest.mark.parametrize("ends", [at_once, no_more_comes, nonsense_comes])
def test_an_answer_is_sent_before_its_connection_ends(ends: Callable[[server.Protocol], None]):
    """What was answered in the very moment in which the connection ends, for whatever reason, comes first."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_with(Told({"status": "accepted"}), scope, receive, send)
        for connection in list(serving.server_state.connections):
            ends(connection)

    serving = served_by(app)
    told = uvloop.run(asked_once(serving))
    assert told.startswith(b"HTTP/1.1 200 OK")
    assert b'{"status":"accepted"}' in told


class Cycle(SimpleNamespace):
    """uvicorn's side of a request, and whether its whole answer was taken."""

    def __init__(self, *, write_paused: bool = False, **how: bool) -> None:
        told = {"keep_alive": True, "disconnected": False, **how}
        super().__init__(flow=SimpleNamespace(write_paused=write_paused), default_headers=[], **told)
        self.taken: list[bytes] = []

    def put(self, _: object, content: bytes) -> None:
        self.taken.append(content)


@pytest.mark.parametrize(
    ("cycle", "method", "taken", "parted"),
    [
        (Cycle(), "POST", 1, 0),
        (Cycle(write_paused=True), "POST", 0, 2),
        (Cycle(keep_alive=False), "POST", 0, 2),
        (Cycle(), "HEAD", 0, 2),
        (Cycle(disconnected=True), "POST", 0, 0),
        (None, "POST", 0, 2),
    ],
    ids=["whole", "its reader is slow", "last on its connection", "has no body", "nobody waits", "elsewhere"],
)
async def test_what_goes_at_one_go(cycle: Cycle | None, method: str, taken: int, parted: int):
    """An answer is left to the server in head and body where that has to wait for its reader, leave the body
    out, or end the connection; nobody is answered who is gone.
    """
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    extension = {EXTENSION: {"cycle": lambda: cycle, "outbox": cycle}} if cycle else {}
    scope = {"type": "http", "method": method, "extensions": extension}
    receive: Receive = None  # type: ignore[assignment] - it is not asked
    await answer_with(Told({"status": "accepted"}), scope, receive, send)
    assert len(sent) == parted
    assert len(cycle.taken if cycle else []) == taken


def test_who_listens_hears_that_the_answer_is_out():
    """Whatever of ours waits for the end of a request is woken by its answer, as by uvicorn's own."""
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        listening = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await answer_with(Told({"status": "accepted"}), scope, receive, send)
        heard.append((await asyncio.wait_for(listening, 10))["type"])
        serving.should_exit = True

    serving = served_by(app)
    uvloop.run(asked_once(serving))
    assert heard == ["http.disconnect"]


def served_by(app: object) -> uvicorn.Server:
    config = server.config(app, host="127.0.0.1", port=0)
    config.lifespan = "off"
    return uvicorn.Server(config)


async def asked_once(serving: uvicorn.Server) -> bytes:
    """All that comes back on a connection with one request."""
    listening = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(serving.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    told = await reader.read()
    writer.close()
    serving.should_exit = True
    await running
    return told
