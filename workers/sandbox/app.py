"""The sandbox as one ASGI app: Acquire's API with its faults, and `/_sandbox` beside it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workers.sandbox.called import CallLog
from workers.sandbox.calls import Calls
from workers.sandbox.control import Control
from workers.sandbox.faults import Fault, Faults, only
from workers.sandbox.http import (
    Answer,
    Cut,
    Receive,
    Request,
    Scope,
    Send,
    json_answer,
    now_ms,
    read,
    write,
)
from workers.sandbox.journal import Journal
from workers.sandbox.world import Refusal

BASE = "/api/v1/crm"
PROXY_PAGE = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"

Act = Callable[[Request, Sequence[Fault], int], Any]


class Sandbox:
    """The app. It cuts connections through the transport that the server puts into the scope's state."""

    def __init__(self, *, state: Path | None = None, api_key: str | None = None, seed: int = 0) -> None:
        self._journal = Journal(state)
        self._world = self._journal.open()
        self._faults = Faults(random.Random(seed))
        self._log = CallLog()
        self._api_key = api_key
        calls = Calls(self._world)
        self._table: dict[str, tuple[str, Act]] = {
            "POST /messenger/chat/create": ("create", calls.create),
            "POST /messenger/chat/add-message": ("append", calls.append),
            "POST /messenger/chat/close": ("close", calls.close),
            "GET /messenger/chat/messages": ("messages", calls.messages),
            "GET /objects/case": ("cases", calls.cases),
            "GET /objects/case/{id}": ("case", calls.case),
            "GET /objects/contact/{id}": ("contact", calls.contact),
            "POST /contact/list": ("find", calls.find),
            "POST /contact/merge/{id}": ("merge", calls.merge),
        }
        self._control = Control(self._world, self._faults, self._log, self._reset)
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send, self._journal)
            return
        try:
            request = await read(scope, receive)
            await write(await self._answer(request), send)
        except Cut:
            scope["extensions"]["sandbox.cut"]()
            while (await receive())["type"] != "http.disconnect":
                continue

    async def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/_sandbox/"):
            return self._control.answer(request)
        call, act = self._which(request)
        if call is None or act is None:
            return _refused(Refusal(404, "ERROR_NOT_FOUND", f"Cannot {request.method} {request.path}"))
        if not self._knows_key(request):
            return _refused(Refusal(401, "ERROR_UNAUTHORIZED", "Invalid API key"))
        faults = self._faults.drawn(call)
        outcome = "cut"
        try:
            answer = await self._with_faults(request, call, act, faults)
            outcome = str(answer.status)
        finally:
            self._log.note(request, call, outcome)
        return answer

    async def _with_faults(self, request: Request, call: str, act: Act, faults: Sequence[Fault]) -> Answer:
        """What happens to one call, in the order of time."""
        if delay := only(faults, "delay"):
            await asyncio.sleep(delay.seconds)
        if only(faults, "drop_before"):
            raise Cut
        if late := only(faults, "late"):
            task = asyncio.create_task(self._act_late(late.seconds, request, act, faults))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            raise Cut
        if status := only(faults, "status"):
            return _faulty(status)
        try:
            data = act(request, faults, now_ms())
        except Refusal as refusal:
            return _refused(refusal)
        if only(faults, "drop_after"):
            raise Cut
        if broken := only(faults, "act_then_status"):
            return _faulty(broken)
        if only(faults, "garbage"):
            return Answer(200, b'{"data": {"id": ')
        self._log.counts[call] += 1
        return json_answer({"data": data})

    async def _act_late(self, seconds: float, request: Request, act: Act, faults: Sequence[Fault]) -> None:
        await asyncio.sleep(seconds)
        try:
            act(request, faults, now_ms())
        except Refusal:
            return

    def _which(self, request: Request) -> tuple[str | None, Act | None]:
        """The call's name and what it does; a path ends in an id where the table says so."""
        if not request.path.startswith(BASE):
            return None, None
        path = request.path.removeprefix(BASE).rstrip("/")
        folder, _, last = path.rpartition("/")
        shape = f"{folder}/{{id}}" if last.isdigit() else path
        return self._table.get(f"{request.method} {shape}", (None, None))

    def _knows_key(self, request: Request) -> bool:
        scheme, _, key = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return scheme.lower() == "bearer" and bool(key) and self._api_key in {None, key}

    def _reset(self) -> None:
        """As at the first start."""
        self._faults.set([])
        self._journal.clear()
        self._world.clear()
        self._log.clear()


async def _lifespan(receive: Receive, send: Send, journal: Journal) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            journal.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _refused(refusal: Refusal) -> Answer:
    error = {"type": refusal.kind, "message": refusal.message}
    return json_answer({"error": error, "message": refusal.message}, refusal.status)


def _faulty(fault: Fault) -> Answer:
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if fault.retry_after is not None:
        headers = ((b"retry-after", str(round(fault.retry_after)).encode()),)
    if fault.body is not None:
        return Answer(fault.status, fault.body.encode(), headers=headers)
    if fault.kind == "act_then_status" or fault.status in {502, 503, 504}:
        return Answer(fault.status, PROXY_PAGE, b"text/html", headers)
    told = json_answer({"message": "The sandbox was told to fail", "type": "ERROR_SANDBOX"}, fault.status)
    return Answer(told.status, told.body, told.content_type, headers)
