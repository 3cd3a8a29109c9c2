"""Requests are bounded in size and time while they come: uvicorn takes a head of any length, however slow.

A proxy in front bounds them as well; this is for whoever reaches the receiver itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_REQUEST_BYTES = 8 * 1024 * 1024
"""A body of 1 MiB in the smallest chunks, and its trailers; what nobody reads is dropped up to here."""
SLOW_SECONDS = 15.0
"""A request that is not there after twice as long is cut off, and so is a connection that asks nothing."""


class Bounded(HttpToolsProtocol):
    """A connection on which nothing comes without end."""

    _bytes = 0
    _has_begun = False
    _looking: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._looking = self.loop.call_later(SLOW_SECONDS, self._look, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        super().data_received(data)
        if self._bytes > LARGEST_HEAD_BYTES and not self.transport.is_closing():
            self._check_size()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._bytes, self._has_begun = 0, True

    def _check_size(self) -> None:
        if self._is_in_head():
            self.send_400_response(f"A head may hold {LARGEST_HEAD_BYTES} bytes.")
        elif self._bytes > LARGEST_REQUEST_BYTES:
            self.transport.close()

    def _look(self, before: object) -> None:
        """Now and again: is it still the same request that comes?"""
        coming = self._coming()
        if coming is not None and coming is before:
            self.transport.close()
        else:
            self._looking = self.loop.call_later(SLOW_SECONDS, self._look, coming)

    def _coming(self) -> object | None:
        """What stands for the request that is not there yet, None where all is."""
        if self._is_in_head():
            return self.scope if self._has_begun else self
        cycle = self.cycle
        return cycle if cycle.more_body and not cycle.response_complete else None

    def _is_in_head(self) -> bool:
        return not self._has_begun or "method" not in self.scope
