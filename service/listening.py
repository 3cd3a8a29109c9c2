"""Where the receiver listens: whether it can, and how it is reached from this machine."""

from __future__ import annotations

import errno
import socket
import time

from service.clock import Clock
from service.supervise import CannotStart

_PATIENCE_SECONDS = 2.0  # children of a run that was killed a moment ago may still hold the port
_POLL_SECONDS = 0.05


def port_to_listen_on(host: str, port: int, clock: Clock) -> int:
    """Make sure that the port can be listened on; 0 means any."""
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return bindable_port(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(f"cannot listen on {host} port {port}: {error.strerror}") from error
            if clock.monotonic() > deadline:
                raise CannotStart(
                    f"port {port} on {host} is taken: end what uses it, or set REOPENER_PORT to another"
                ) from error
        time.sleep(_POLL_SECONDS)


def bindable_port(host: str, port: int) -> int:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])


def reachable(host: str) -> str:
    """The host part of a URL that reaches, from this machine, what listens on `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here
    return f"[{host}]" if ":" in host else host
