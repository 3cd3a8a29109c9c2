"""Connections to one origin, kept and used again: the one used last is the first to be used again.

httpcore's pool looks at all of its connections for every request; with 128 of them that was four fifths of a
worker's time (docs/decisions.md). Here a request looks at one or two.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohappyeyeballs import AddrInfoType, start_connection

from workers.acquire.connection import Connection

if TYPE_CHECKING:
    from service.clock import Clock

SocketOption = tuple[int, int, int] | tuple[int, int, bytes]

NEXT_ADDRESS_SECONDS = 0.25
"""Where a host has several addresses, the next is tried beside one that has not answered for so long."""


class Opening(Protocol):
    """Who is told how a connection is opened."""

    def began(self) -> None:
        """A step begins."""
        ...

    def done(self, step: str) -> None:
        """The step, `connect` or `tls`, is done."""
        ...


class NoConnection(Exception):
    """None could be opened in time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect, and how. `connect_seconds` is the limit for each of TCP, with the look-up of the
    name, and TLS.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    connect_seconds: float
    socket_options: Sequence[SocketOption]


class Connections:
    """HTTP/1.1 connections, one call on each at a time. No call is ever repeated here."""

    def __init__(self, place: Place, clock: Clock, *, keepalive_seconds: float, most: int) -> None:
        """`most` connections at a time: a call beyond them waits, within its own time limit."""
        self._place = place
        self._clock = clock
        self._keepalive_seconds = keepalive_seconds
        self._room = asyncio.Semaphore(most)
        self._idle: deque[tuple[Connection, float]] = deque()

    @asynccontextmanager
    async def one(self, opening: Opening) -> AsyncIterator[Connection]:
        """A connection for one exchange, kept if it is ready for another afterwards. Raises `NoConnection`
        or OSError (of which TLS' errors are part).
        """
        async with self._room:
            connection = self._idle_one() or await self._opened(opening)
            try:
                yield connection
            finally:
                if connection.is_ready:
                    self._idle.append((connection, self._clock.monotonic()))
                else:
                    connection.drop()

    async def aclose(self) -> None:
        while self._idle:
            self._idle.pop()[0].drop()
        await asyncio.sleep(0)  # the event loop closes them in its next round

    def _idle_one(self) -> Connection | None:
        """One that is still open; those found closed, or idle for too long, are dropped."""
        oldest = self._clock.monotonic() - self._keepalive_seconds
        while self._idle and self._idle[0][1] < oldest:
            self._idle.popleft()[0].drop()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_ready and connection.is_still_open():
                return connection
            connection.drop()
        return None

    async def _opened(self, opening: Opening) -> Connection:
        place, loop = self._place, asyncio.get_running_loop()
        opening.began()
        connected = await self._connected()
        # Its transport owns the socket from here on.
        transport, connection = await loop.create_connection(Connection, sock=connected)
        opening.done("connect")
        if place.tls is None:
            return connection
        opening.began()
        try:
            async with asyncio.timeout(place.connect_seconds):
                secured = await loop.start_tls(transport, connection, place.tls, server_hostname=place.host)
        except TimeoutError:
            raise NoConnection(f"no TLS handshake within {place.connect_seconds:g} s") from None
        if secured is None:
            raise NoConnection("the connection ended in the TLS handshake")
        connection.connection_made(secured)
        opening.done("tls")
        return connection

    async def _connected(self) -> socket.socket:
        place, loop = self._place, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(place.connect_seconds):
                addresses = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
                return await start_connection(
                    addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, socket_factory=self._socket
                )
        except TimeoutError:
            raise NoConnection(f"no connection within {place.connect_seconds:g} s") from None

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        for option in self._place.socket_options:
            made.setsockopt(*option)
        return made
