"""One exchange with Acquire: bounded in time and size, timed, and sure about whether a byte has left.

httpcore, which httpx is made of, is used without httpx' client and pool, so there is no cookie jar, no
redirect, no proxy or certificate from the environment, and no log of URLs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

import httpcore
import httpx

from service.clock import Clock
from service.domain.reopens import Call
from service.settings import AcquireSettings
from workers.acquire.compose import Request
from workers.acquire.connections import Connections
from workers.acquire.retry_after import retry_after_seconds
from workers.acquire.values import bounded

LONGEST_CONNECT_SECONDS = 5.0
CONNECT_SHARE = 0.45
"""Of the whole call's time, for each of TCP and TLS: both end by their own limits, since a handshake that is
cancelled from outside leaves its socket open until it is collected."""
MOST_ANSWER_BYTES = 1_048_576
KEEPALIVE_SECONDS = 4.0
"""An idle connection is not used again after this: servers close theirs (Node's after 5 s), and a request
written to a connection that is being closed has an unknown outcome."""
CONNECTIONS_PER_JOB = 2
"""A look asks two things side by side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Acquire, or something before it, answered. `body` is cut at 1 MiB where it is not `whole`."""

    http_status: int
    body: bytes
    whole: bool = True
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """No whole answer came. `sent`: a byte of the request may have left. `http_status` is of the answer
    whose body broke off.
    """

    error: str
    sent: bool
    http_status: int | None = None


Result: TypeAlias = Answer | Broken


class Wire:
    """The connections to one account. Raises ValueError where the settings lack origin or key."""

    def __init__(
        self, settings: AcquireSettings, *, clock: Clock, concurrency: int, tls: ssl.SSLContext | None = None
    ) -> None:
        if settings.origin is None or settings.api_key is None:
            raise ValueError("Acquire's origin and key are not set")
        url = httpcore.URL(settings.origin)
        self._origin = url.origin
        self._headers = [
            (b"Host", urlsplit(settings.origin).netloc.encode("ascii")),
            (b"Authorization", f"Bearer {settings.api_key.reveal()}".encode("ascii")),
            (b"Accept", b"application/json"),
            # What is packed could unpack to more than we want to hold.
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"reopener"),
        ]
        self._timeout_seconds = settings.timeout_seconds
        self._clock = clock
        connect_seconds = min(LONGEST_CONNECT_SECONDS, CONNECT_SHARE * self._timeout_seconds)
        self._timeouts = dict.fromkeys(("read", "write", "pool"), self._timeout_seconds)
        self._timeouts["connect"] = connect_seconds
        self._connections = Connections(
            url.origin,
            tls=tls or httpx.create_ssl_context(trust_env=False) if url.scheme == b"https" else None,
            keepalive_seconds=KEEPALIVE_SECONDS,
            socket_options=_socket_options(settings.timeout_seconds),
            most=CONNECTIONS_PER_JOB * concurrency,
        )

    async def exchange(
        self, request: Request, *, may_send: Callable[[], bool] | None = None
    ) -> tuple[Result, Call]:
        """Send the request and read the answer, and tell how that went. Raises nothing but CancelledError.

        `may_send` is asked when the connection stands, as the last act before the first byte is written.
        """
        started_ms = self._clock.now_ms()
        trace = _Trace(self._clock, may_send)
        result: Result
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await self._ask(request, trace)
        except TimeoutError:
            result = trace.broken(f"no whole answer within {self._timeout_seconds:g} s")
        # Whatever breaks once a byte has left, the outcome is unknown: nothing may escape as anything else.
        except Exception as error:  # noqa: BLE001 as said above
            result = trace.broken(_words_of(error), is_ours=isinstance(error, httpcore.LocalProtocolError))
        return result, trace.call(request.name, started_ms, result)

    async def _ask(self, request: Request, trace: _Trace) -> Answer:
        async with self._connections.response(self._http_request(request, trace)) as response:
            trace.http_status = response.status
            body = await _body_of(response)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return Answer(
            response.status,
            body[:MOST_ANSWER_BYTES],
            whole=len(body) <= MOST_ANSWER_BYTES,
            retry_after_seconds=retry_after_seconds(headers, self._clock.now()),
        )

    def _http_request(self, request: Request, trace: _Trace) -> httpcore.Request:
        headers, content = self._headers, b""
        if request.body is not None:
            # ASCII: JSON escapes the rest, so half of a surrogate pair in a customer's text does no harm.
            content = json.dumps(request.body).encode("ascii")
            length = str(len(content)).encode("ascii")
            headers = [*headers, (b"Content-Type", b"application/json"), (b"Content-Length", length)]
        target = f"/api/v1{request.path}" + (f"?{urlencode(request.query)}" if request.query else "")
        origin = self._origin
        return httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=origin.scheme, host=origin.host, port=origin.port, target=target.encode("ascii")
            ),
            headers=headers,
            content=content,
            extensions={"timeout": self._timeouts, "trace": trace},
        )

    async def aclose(self) -> None:
        await self._connections.aclose()


async def _body_of(response: httpcore.Response) -> bytes:
    """The body, or somewhat more than 1 MiB of it."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            break
    return bytes(body)


class _SendForbidden(Exception):
    """`may_send` said no."""


class _Trace:
    """What httpcore tells of a call as it goes: how long each step took, and whether a byte may have left.

    An exception in it ends the call and closes the connection, so that "no" at the last moment sends nothing.
    """

    def __init__(self, clock: Clock, may_send: Callable[[], bool] | None) -> None:
        self._clock = clock
        self._may_send = may_send
        self._began = self._step_began = clock.monotonic()
        self._sent = False
        self._head_failed = False
        self._timings_ms: list[tuple[str, int]] = []
        self.http_status: int | None = None

    async def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        match event:
            case "connection.connect_tcp.started" | "connection.start_tls.started":
                self._step_began = self._clock.monotonic()
            case "connection.connect_tcp.complete":
                self._note("connect")
            case "connection.start_tls.complete":
                self._note("tls")
            case "http11.send_request_headers.started":
                self._step_began = self._clock.monotonic()
                if self._may_send is not None and not self._may_send():
                    raise _SendForbidden("the last check before sending said no")
                self._sent = True
            case "http11.send_request_headers.failed":
                self._head_failed = True
            case "http11.receive_response_headers.complete":
                self._note("first_byte")

    def _note(self, step: str) -> None:
        self._timings_ms.append((step, self._ms_since(self._step_began)))

    def _ms_since(self, moment: float) -> int:
        return round((self._clock.monotonic() - moment) * 1000)

    def broken(self, error: str, *, is_ours: bool = False) -> Broken:
        """`is_ours`: our request broke HTTP's rules, which shows in its head, before any byte is written."""
        return Broken(error, self._sent and not (is_ours and self._head_failed), self.http_status)

    def call(self, name: str, started_ms: int, result: Result) -> Call:
        """The record: `connect` (with the name look-up), `tls`, and `first_byte` since the request left."""
        error = result.error if isinstance(result, Broken) else None
        return Call(
            name=name,
            started_ms=started_ms,
            duration_ms=self._ms_since(self._began),
            http_status=result.http_status,
            error=error,
            timings_ms=tuple(self._timings_ms),
        )


def _socket_options(timeout_seconds: float) -> list[tuple[int, int, int] | tuple[int, int, bytes]]:
    """Closing, by us or by a killed process' kernel, drops what was not delivered and resets the connection;
    what is not acknowledged within the time-out ends it too. Without these a request is delivered long after
    its sender died.
    """
    options: list[tuple[int, int, int] | tuple[int, int, bytes]] = [
        (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ]
    user_timeout: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone has it
    if user_timeout is not None:
        options.append((socket.IPPROTO_TCP, user_timeout, round(timeout_seconds * 1000)))
    return options


def _words_of(error: Exception) -> str:
    # The library's words on a faulty request may quote its headers, and with them the key.
    said = "" if isinstance(error, httpcore.LocalProtocolError) else str(error)
    name = type(error).__name__.lstrip("_")
    return bounded(f"{name}: {said}" if said else name)
