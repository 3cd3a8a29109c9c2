"""A server that answers byte for byte as a test says, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.clock import SystemClock
from service.domain.ports import Sending
from service.domain.reopens import Reopen, Status
from service.settings import AcquireSettings, Secret
from workers.acquire import AcquireClient

KEY = "key-for-tests-only"
THREAD, CONTACT = 1683, 597752
CREATED = {"data": {"id": 1694, "threadId": THREAD, "parentId": THREAD, "status": "active"}}
OWN_FORM = {"code": 503, "message": "Down for maintenance"}
HTML = b"<html><h1>503 Service Temporarily Unavailable</h1></html>"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Step = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scripted:
    """`steps` are taken one per request, the last one over and over."""

    steps: deque[Step] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    bytes_received: int = 0
    connections: int = 0
    resets: int = 0
    origin: str = ""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def script(self, *steps: Step) -> None:
        self.steps = deque(steps)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(holds)

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        await self.notify()
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.bytes_received += len(head)
                request = _request(head, number)
                body = await reader.readexactly(int(request.headers.get("content-length", "0")))
                self.received.append(Received(request.method, request.target, request.headers, body, number))
                await self.notify()
                step = self.steps[0] if len(self.steps) == 1 else self.steps.popleft()
                await step(writer)
        except asyncio.IncompleteReadError as cut:
            self.bytes_received += len(cut.partial)
        except ConnectionError:
            self.resets += 1
        finally:
            writer.close()
            await self.notify()


def _request(head: bytes, connection: int) -> Received:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    return Received(method, target, headers, b"", connection)


@asynccontextmanager
async def scripted(tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    server = Scripted()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, limit=1 << 22)
    port = listening.sockets[0].getsockname()[1]
    server.origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()


def answer(
    status: int = 200,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    raw: bytes | None = None,
) -> Step:
    """A whole answer; the connection stays."""
    content = raw if raw is not None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return sent("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def sent(data: bytes) -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return step


def cut_after(data: bytes) -> Step:
    """These bytes, then the connection ends."""

    async def step(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return step


def reset() -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return step


def hang() -> Step:
    """No answer, ever."""

    async def step(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return step


def drip(data: bytes, every_seconds: float) -> Step:
    """One byte at a time."""

    async def step(writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return step


def settings(origin: str, **changes: Any) -> AcquireSettings:
    told = {
        "account_id": "example",
        "api_key": Secret(KEY),
        "origin": origin,
        "timeout_seconds": 2,
        **changes,
    }
    return AcquireSettings(**told)


def client(
    server: Scripted, *, tls: ssl.SSLContext | None = None, concurrency: int = 4, **changes: Any
) -> AcquireClient:
    return AcquireClient(
        settings(server.origin, **changes), clock=SystemClock(), concurrency=concurrency, tls=tls
    )


async def outcome(server: Scripted, step: Step, **changes: Any) -> object:
    """How a send ends that the server answers so."""
    server.script(step)
    acquire = client(server, **changes)
    try:
        return await acquire.session().send(sending(), may_send=yes)
    finally:
        await acquire.aclose()


def sending(
    *,
    text: str | None = "It broke again.",
    case_id: int | None = None,
    session_id: str | None = None,
    **changes: Any,
) -> Sending:
    told = {
        "id": "aaaabbbbccccdddd",
        "source": "support",
        "event_id": "msg_1",
        "position": 1,
        "status": Status.RUNNING,
        "created_ms": 0,
        "updated_ms": 0,
        "ticket_id": "4711",
        "contact_id": CONTACT,
        "thread_id": THREAD,
        "text": text,
        **changes,
    }
    reopen = Reopen(**told)
    return Sending(reopen, THREAD, CONTACT, session_id, case_id, reopen.token)


def yes() -> bool:
    return True


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port
