"""The HTTP server around the app: uvicorn as we want it, wherever the app is served."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service import collector
from service.answers import error
from service.bounded import Bounded
from service.stopping import on_stop
from service.whole import EXTENSION, Outbox

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp

LIVE_PATH = "/live"
KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 10


def config(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """How the app is served. Logs are ours (one line for each delivery), websockets are nobody's."""
    protocol: Any = partial(Protocol, outbox=Outbox())
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class CannotListen(Exception):
    """The address is taken, or is none of this machine's."""


def run(serving: uvicorn.Config, announce: Callable[[socket.socket], None] = lambda _: None) -> bool:
    """Serve until SIGTERM, SIGINT or SIGHUP has drained it; whether it ever came up. Raises `CannotListen`.

    `announce` is told where it listens.

    uvicorn hears signals only once it has started, and at its end raises those it stopped for again: here
    they count from the first moment, and end nothing but the serving.
    """
    server = uvicorn.Server(serving)
    on_stop(server.handle_exit)
    try:
        listening = serving.bind_socket()
    except SystemExit:
        raise CannotListen from None
    # Its address has been told, so whoever connects from now on waits, and is not refused.
    listening.listen(serving.backlog)
    announce(listening)
    collector.leave_alone_what_is_there()
    server.run(sockets=[listening])
    return server.started


class Protocol(Bounded):
    """Answers what is no HTTP in the shape of all our errors, and ends endless answers at shutdown.

    Before anything else is written, or the connection ends, what is ready is sent.
    """

    def __init__(self, *, outbox: Outbox, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._outbox = outbox

    def shutdown(self) -> None:
        self._outbox.send()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.scope["path"] == LIVE_PATH:
            self.transport.close()
        else:
            super().shutdown()

    def eof_received(self) -> None:
        self._outbox.send()
        super().eof_received()

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.scope["extensions"] = {EXTENSION: {"cycle": ref(self.cycle), "outbox": self._outbox}}

    def send_400_response(self, msg: str) -> None:
        self._outbox.send()
        refusal = error(400, "not_http", f"{msg} Send HTTP/1.1, with one Content-Length or chunks.")
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in refusal.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", bytes(refusal.body)]))
        self.transport.close()
