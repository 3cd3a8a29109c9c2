"""A whole answer in one write, and the answers of one moment one right after the other.

In ASGI head and body are two messages, which uvicorn makes two writes of: for a delivery's answer that is a
tenth of all the receiver does. Who reads several answers (a proxy, a sender with many connections) is woken
by the first: where the others follow at once, one waking does for all. Measured with `make bench-intake`.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "reopener.whole"
"""Where our server (service/server.py) puts its `outbox` and `cycle`, uvicorn's side of a request. That
reference is weak: the cycle holds the scope, and each delivery would leave a circle for the collector.
"""


class Outbox:
    """Answers that are ready, until the end of this turn of the loop. One for all connections of a loop."""

    def __init__(self) -> None:
        self._ready: list[tuple[RequestResponseCycle, Callable[[], None], bytes]] = []

    def put(self, cycle: RequestResponseCycle, content: bytes) -> None:
        """This is all that is answered to the request."""
        if not self._ready:
            asyncio.get_running_loop().call_soon(self.send)
        self._ready.append((cycle, cycle.on_response, content))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()

    def send(self) -> None:
        """Write what is ready, in order."""
        ready, self._ready = self._ready, []
        for cycle, _, content in ready:
            cycle.transport.write(content)  # where the connection ended meanwhile, nothing happens
        for _, on_response, _ in ready:
            on_response()


async def answer_with(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response whose length is known; at one go where our server lets us."""
    ours = scope.get("extensions", {}).get(EXTENSION, _ELSEWHERE)
    cycle: RequestResponseCycle | None = ours["cycle"]()
    if cycle is None or cycle.flow.write_paused or not cycle.keep_alive or scope["method"] == "HEAD":
        await response(scope, receive, send)
    elif not cycle.disconnected:
        head = _head(response.status_code, (*cycle.default_headers, *response.raw_headers))
        ours["outbox"].put(cycle, head + response.body)


_ELSEWHERE: dict[str, Callable[[], None]] = {"cycle": lambda: None}


@lru_cache(maxsize=64)
def _head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The same few for all answers of a second, whose time is in them."""
    status_line = b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode("ascii"))
    return b"\r\n".join([status_line, *[b"%b: %b" % header for header in headers], b"", b""])
