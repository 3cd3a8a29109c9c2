"""Connections to one origin, kept and used again: the one used last is the first to be used again.

httpcore's own pool looks at all of its connections for every request; with 128 of them that was four fifths
of a worker's time (docs/decisions.md). Here a request looks at one or two.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpcore

SocketOption = tuple[int, int, int] | tuple[int, int, bytes]


class Connections:
    """HTTP/1.1 connections, one call on each at a time. No call is ever repeated here."""

    def __init__(
        self,
        origin: httpcore.Origin,
        *,
        tls: ssl.SSLContext | None,
        keepalive_seconds: float,
        socket_options: Sequence[SocketOption],
        most: int,
    ) -> None:
        """`most` connections at a time: a call beyond them waits, within its own time limit."""
        self._origin = origin
        self._tls = tls
        self._keepalive_seconds = keepalive_seconds
        self._socket_options = socket_options
        self._room = asyncio.Semaphore(most)
        self._idle: deque[httpcore.AsyncHTTPConnection] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def response(self, request: httpcore.Request) -> AsyncIterator[httpcore.Response]:
        """The head of the answer, its body yet to be read. Raises httpcore's errors; a connection that was
        not read to its end is closed.
        """
        async with self._room:
            connection = self._idle_one() or self._new_one()
            try:
                response = await connection.handle_async_request(request)
                try:
                    yield response
                finally:
                    await response.aclose()
            finally:
                if connection.is_idle() and not connection.is_closed():
                    self._idle.append(connection)
                else:
                    self._let_go(connection)

    async def aclose(self) -> None:
        while self._idle:
            self._let_go(self._idle.pop())
        if self._closing:
            await asyncio.wait(self._closing)

    def _idle_one(self) -> httpcore.AsyncHTTPConnection | None:
        """One that is still open; those found closed, or idle for too long, are let go."""
        while self._idle and self._idle[0].has_expired():
            self._let_go(self._idle.popleft())
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            self._let_go(connection)
        return None

    def _let_go(self, connection: httpcore.AsyncHTTPConnection) -> None:
        closing = asyncio.get_running_loop().create_task(connection.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _new_one(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=self._tls,
            keepalive_expiry=self._keepalive_seconds,
            retries=0,
            socket_options=self._socket_options,
        )
