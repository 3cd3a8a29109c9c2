"""A stand-in for Acquire that costs next to nothing: what is measured against it is the caller.

`python -m bench.standin` prints the address it listens on as Acquire, and the one where it is told what to
do, which answers whatever Acquire does. It knows the two reads of a look and the reopen call; a thread's
second reopen shows as a double. `POST /control?key=value` sets:

    delay     seconds before every answer
    mode      ok | refuse (connections are reset) | hang (no answer) | hang_create (none to the reopen call) |
              drip (an answer without an end, byte by byte) | large (more than is read) | large_create
              (only that to the reopen call) | a status, like 503 or 401; 429 asks for 30 s
    reset     1 forgets what was counted

`GET /told` answers `{"calls", "first_byte_at", "threads", "doubled", "order"}`, with the reopened threads in
order.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvloop

FIRST_CASE = 1_000_000_000
RETRY_AFTER_SECONDS = 30
DRIP_SECONDS = 0.05
LARGE_BYTES = {"GET": 8 * 1_048_576, "POST": 1_048_576}
DRIP_HEAD = b"HTTP/1.1 200 .\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


class World:
    """What was asked for, and what came of it."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.mode = "ok"
        self.last_case = FIRST_CASE
        self.children: dict[int, list[int]] = {}
        self.words: dict[int, str] = {}
        self.forget()

    def forget(self) -> None:
        self.calls = 0
        self.first_byte_at: list[float] = []
        self.children.clear()
        self.words.clear()

    def note(self) -> None:
        now = time.time()
        self.calls += 1
        if len(self.first_byte_at) < 50_000:
            self.first_byte_at.append(now)

    def told(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "first_byte_at": self.first_byte_at,
            "threads": len(self.children),
            "doubled": sum(len(cases) > 1 for cases in self.children.values()),
            "order": list(self.children),
        }

    def control(self, query: str) -> dict[str, Any]:
        asked = dict(parse_qsl(query))
        self.delay_seconds = float(asked.get("delay", self.delay_seconds))
        self.mode = asked.get("mode", self.mode)
        if "reset" in asked:
            self.forget()
        return {"delay": self.delay_seconds, "mode": self.mode}

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.mode.isdecimal():
            return int(self.mode), {"message": "as told"} if self.mode != "503" else {}
        parts = urlsplit(target)
        path = parts.path.removeprefix("/api/v1")
        if method == "POST" and path == "/crm/messenger/chat/create":
            told = json.loads(body)
            thread = int(told["threadId"])
            self.last_case += 1
            self.children.setdefault(thread, []).append(self.last_case)
            self.words[self.last_case] = told["message"]["message"]
            return 200, {"data": self._case(self.last_case, thread, "active")}
        if path == "/crm/objects/case":
            where = next(value for name, value in parse_qsl(parts.query) if name == "where")
            thread = int(where.rpartition("|")[2])
            cases = [self._case(case, thread, "active") for case in self.children.get(thread, ())]
            page = {"page": 0, "offset": 0, "limit": 50, "count": len(cases), "data": cases}
            return 200, {"data": page}
        if path.startswith("/crm/objects/case/"):
            case = int(path.rpartition("/")[2])
            return 200, {"data": self._case(case, case, "closed")}
        return 404, {"message": "no such call"}

    def _case(self, case: int, thread: int, status: str) -> dict[str, Any]:
        return {
            "id": case,
            "title": "a case",
            "description": self.words.get(case, "It broke again."),
            "status": status,
            "contact": {"id": 5},
            "threadId": thread,
            "parentId": None if case == thread else thread,
            "dateCreated": "2026-11-23T10:00:00.000Z",
            "dateClosed": "2026-11-23T11:00:00.000Z" if status == "closed" else None,
        }


class Speaker(asyncio.Protocol):
    """Just enough HTTP/1.1: one request after another, with a Content-Length where there is a body."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._got = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end]
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            length = 0
            if method != "GET":
                at = head.lower().find(b"content-length:")
                length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._got) < end + 4 + length:
                return
            body, self._got = self._got[end + 4 : end + 4 + length], self._got[end + 4 + length :]
            self._heard(method, target, body)

    def _heard(self, method: str, target: str, body: bytes) -> None:
        raise NotImplementedError

    def _say(self, status: int, told: dict[str, Any], *, more: int = 0) -> None:
        body = json.dumps(told).encode("ascii") + b" " * more
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if status == 429:
            head += f"Retry-After: {RETRY_AFTER_SECONDS}\r\n"
        if not self._transport.is_closing():
            self._transport.write(f"{head}\r\n".encode("ascii") + body)


class Acquire(Speaker):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._world.mode == "refuse":
            self._world.note()
            self._transport.abort()

    def _heard(self, method: str, target: str, body: bytes) -> None:
        world = self._world
        world.note()
        if world.mode == "refuse":
            self._transport.abort()
        elif world.mode == "drip":
            self._transport.write(DRIP_HEAD)
            self._drip()
        elif world.mode != "hang" and (world.mode != "hang_create" or method == "GET"):
            if world.delay_seconds:
                asyncio.get_running_loop().call_later(world.delay_seconds, self._act, method, target, body)
            else:
                self._act(method, target, body)

    def _drip(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(DRIP_SECONDS, self._drip)

    def _act(self, method: str, target: str, body: bytes) -> None:
        mode = self._world.mode
        is_large = mode == "large" or (mode == "large_create" and method == "POST")
        self._say(*self._world.answer(method, target, body), more=LARGE_BYTES[method] if is_large else 0)


class Control(Speaker):
    def _heard(self, method: str, target: str, body: bytes) -> None:
        del body
        world = self._world
        self._say(200, world.control(urlsplit(target).query) if method == "POST" else world.told())


async def serve() -> None:
    loop = asyncio.get_running_loop()
    world, ports = World(), []
    for kind in (Acquire, Control):
        server = await loop.create_server(partial(kind, world), "127.0.0.1", 0, backlog=2048)
        ports.append(server.sockets[0].getsockname()[1])
    print(*(f"http://127.0.0.1:{port}" for port in ports), flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
