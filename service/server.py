"""The HTTP server around the app: uvicorn as we want it, wherever the app is served."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
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

    from starlette.responses import Response
    from starlette.types import ASGIApp

LIVE_PATH = "/live"
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep idle connections (nginx, Amazon's load balancers: 60 s): where we end one first,
a delivery that is just being sent on it gets a 502 of the proxy's.
"""
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
    """The address is taken, is none of this machine's, or is not for us; the message says which."""


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
        # Its address has been told, so whoever connects from now on waits, and is not refused.
        listening.listen(serving.backlog)
    except (SystemExit, OSError) as error:  # uvicorn would end the process over it
        reason = error.__context__ if isinstance(error, SystemExit) else error
        raise CannotListen(reason.strerror if isinstance(reason, OSError) else "") from None
    announce(listening)
    collector.leave_alone_what_is_there()
    server.run(sockets=[listening])
    return server.started


class Protocol(Bounded):
    """Answers what is no HTTP in the shape of all our errors, and ends at shutdown what would not end.

    Before anything else is written, or the connection ends, what is ready is sent.
    """

    def __init__(self, *, outbox: Outbox, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._outbox = outbox

    def shutdown(self) -> None:
        self._outbox.send()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            super().shutdown()
        elif cycle.scope["path"] == LIVE_PATH:
            self.transport.close()
        else:
            super().shutdown()
            # uvicorn, which counts from a moment later, would then answer with a bare 500.
            self.loop.call_later(DRAIN_SECONDS, self._give_up, cycle)

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
        self._refuse(error(400, "not_http", f"{msg} Send HTTP/1.1, with one Content-Length or chunks."))

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        """Whoever is not done with its request in all that time is to send it again."""
        if not cycle.response_started and not cycle.disconnected:
            words = "This receiver stops, and waited in vain for the rest. Send it again: it counts once."
            self._refuse(error(503, "stopping", words))
            cycle.disconnected = True
            cycle.message_event.set()

    def _refuse(self, refusal: Response) -> None:
        """Answer past the app, and end the connection."""
        status = HTTPStatus(refusal.status_code)
        lines = [f"HTTP/1.1 {status} {status.phrase}".encode(), *map(b": ".join, refusal.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", bytes(refusal.body)]))
        self.transport.close()
