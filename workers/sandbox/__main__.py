"""`python -m workers.sandbox`: run the stand-in for Acquire."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import server
from workers.sandbox.app import Sandbox


class CuttingProtocol(HttpToolsProtocol):
    """Hands the app a way to cut its connection: with a reset, as a network does it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        app = self.app

        async def with_cut(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})["sandbox.cut"] = transport.abort
            await app(scope, receive, send)

        self.app = with_cut


def main() -> int:
    arguments = _arguments()
    api_key = arguments.api_key or os.environ.get("ACQUIRE_API_KEY") or None
    try:
        sandbox = Sandbox(state=arguments.state, api_key=api_key, seed=arguments.seed)
    except OSError as error:
        print(f"sandbox: cannot keep its state in {arguments.state}: {error.strerror}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        sandbox,
        host=arguments.host,
        port=arguments.port,
        loop="uvloop",
        http=CuttingProtocol,
        lifespan="on",
        access_log=False,
        log_level="error",
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=1,
    )
    try:
        server.run(config, _announce)
    except server.CannotListen as error:
        print(f"sandbox: cannot listen on {arguments.host} port {arguments.port}: {error}", file=sys.stderr)
        return 1
    return 0


def _announce(listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    print(f"sandbox listening on http://{shown_host}:{port}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reopener sandbox",
        description="A stand-in for Acquire: try a set-up against it, and switch faults on with"
        " POST /_sandbox/faults (GET tells which there are).",
        epilog="Example: reopener sandbox --port 9000 --state sandbox.state",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=9000, help="0 takes any free one (default: 9000)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep cases over restarts")
    parser.add_argument("--api-key", metavar="KEY", help="refuse others (default: ACQUIRE_API_KEY, else any)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults' dice (default: 0)")
    return parser.parse_args()


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
