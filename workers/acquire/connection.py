"""One HTTP/1.1 connection: HTTP's rules are h11's, bytes come and go through the event loop's own transport.

There is no task and no stream in between: an answer is read where the loop delivers its bytes, and who waits
for it is woken once, when it is whole.
"""

from __future__ import annotations

import asyncio
import select
from dataclasses import dataclass, field
from typing import Protocol

import h11

LONGEST_HEAD_BYTES = 102_400
MIB = 1_048_576
MOST_ANSWER_BYTES = MIB
MOST_SHOWN_BYTES = 8 * MIB
"""A case is read with all its messages, each of which may have come in a delivery of 1 MiB."""


class Course(Protocol):
    """Who is told how an exchange goes."""

    def sending(self) -> None:
        """All stands ready: the last moment before the first byte is written. Raises to have none written."""
        ...

    def answered(self, http_status: int) -> None:
        """The head of the answer is there."""
        ...


@dataclass(frozen=True, slots=True)
class Response:
    """Names of headers are in lower case. `body` is cut where it is not `whole`."""

    http_status: int
    headers: dict[bytes, bytes]
    body: bytes
    whole: bool


class ConnectionEnded(Exception):
    """The connection ended before the answer did."""


@dataclass(slots=True)
class _Asked:
    """The exchange at hand, and what is there of its answer."""

    course: Course
    answer: asyncio.Future[Response]
    most_bytes: int
    http_status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Connection(asyncio.Protocol):
    """One exchange at a time. After one that did not end well it is not ready any more, and to be dropped."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD_BYTES)
        self._transport: asyncio.Transport
        self._asked: _Asked | None = None
        self._is_ready = True

    async def exchange(self, head: h11.Request, body: bytes, course: Course) -> Response:
        """Send a request and read its answer. Raises `h11.ProtocolError`, `ConnectionEnded` or OSError."""
        self._is_ready = False
        written = b"".join(self._http.send(event) or b"" for event in _events(head, body))
        course.sending()
        self._transport.write(written)
        # Only now: of a connection that ends before anything was sent, nobody waits to hear.
        most_bytes = MOST_SHOWN_BYTES if head.method == b"GET" else MOST_ANSWER_BYTES
        asked = self._asked = _Asked(course, asyncio.get_running_loop().create_future(), most_bytes)
        return await asked.answer

    @property
    def is_ready(self) -> bool:
        """Whether a request may be written: what was before ended well, and nothing has come since."""
        return self._is_ready and not self._transport.is_closing()

    def is_still_open(self) -> bool:
        """Whether an idle connection is ready as far as the kernel knows: that the server closed it may not
        have come to the loop's notice yet.
        """
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def drop(self) -> None:
        """End the connection at once; what was not delivered by now never will be."""
        self._is_ready = False
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # a stream's transport reads and writes

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> None:
        if self._asked is not None and not self._asked.http_status:
            _fail(self._asked, ConnectionEnded("the server ended the connection without an answer"))
        self._http.receive_data(b"")
        self._read()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_ready = False
        if self._asked is not None:
            _fail(self._asked, error or ConnectionEnded("the connection ended before the answer did"))

    def _read(self) -> None:
        """Take what there is of the answer. After what comes unasked the connection is good for nothing."""
        asked = self._asked
        if asked is None or asked.answer.done():
            self.drop()
            return
        try:
            while self._take(asked, self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            _fail(asked, error)

    def _take(self, asked: _Asked, event: h11.Event | type[h11.NEED_DATA | h11.PAUSED]) -> bool:
        """Whether there may be more."""
        match event:
            case h11.Response():
                asked.http_status, asked.headers = event.status_code, dict(event.headers)
                asked.course.answered(event.status_code)
            case h11.Data():
                asked.body += event.data
                if len(asked.body) > asked.most_bytes:
                    self._end(asked, whole=False)
                    return False
            case h11.EndOfMessage():
                self._end(asked, whole=True)
                return False
            case h11.ConnectionClosed():
                _fail(asked, ConnectionEnded("the server ended the connection without an answer"))
                return False
        return event is not h11.NEED_DATA and event is not h11.PAUSED

    def _end(self, asked: _Asked, *, whole: bool) -> None:
        """The answer is there. Another may be asked for here where both sides have nothing left to say."""
        http = self._http
        is_quiet = not self._transport.get_write_buffer_size() and http.trailing_data == (b"", False)
        if whole and is_quiet and http.our_state is http.their_state is h11.DONE:
            http.start_next_cycle()
            self._is_ready = True
        body = bytes(asked.body[: asked.most_bytes])
        asked.answer.set_result(Response(asked.http_status, asked.headers, body, whole))


def _events(head: h11.Request, body: bytes) -> tuple[h11.Event, ...]:
    return (head, h11.Data(data=body), h11.EndOfMessage()) if body else (head, h11.EndOfMessage())


def _fail(asked: _Asked, error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
