"""The HTTP server around the app: uvicorn as we want it, wherever the app is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.answers import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 10


def config(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """How the app is served. Logs are ours (one line for each delivery), websockets are nobody's."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class Protocol(HttpToolsProtocol):
    """Answers what is no HTTP in the shape of all our errors."""

    def send_400_response(self, msg: str) -> None:
        refusal = error(400, "not_http", f"{msg} Send HTTP/1.1, with one Content-Length or chunks.")
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in refusal.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", bytes(refusal.body)]))
        self.transport.close()
