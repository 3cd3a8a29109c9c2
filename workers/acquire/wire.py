"""One exchange with Acquire: bounded in time and size, timed, and sure about whether a byte has left.

HTTP is spoken by h11, as in httpx, but without httpx' client: so there is no cookie jar, no redirect, no
proxy or certificate from the environment, no log of URLs, and little between a call and its socket.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

import h11
import httpx

from service.clock import Clock
from service.domain.reopens import Call
from service.settings import AcquireSettings
from workers.acquire.compose import Request
from workers.acquire.connection import Response
from workers.acquire.connections import Connections, Place, SocketOption
from workers.acquire.retry_after import retry_after_seconds
from workers.acquire.values import bounded

LONGEST_CONNECT_SECONDS = 5.0
CONNECT_SHARE = 0.45
"""Of the whole call's time, for each of TCP and TLS: a call tells which of them did not come about."""
KEEPALIVE_SECONDS = 4.0
"""An idle connection is not used again after this: servers close theirs (Node's after 5 s), and a request
written to a connection that is being closed has an unknown outcome."""
CONNECTIONS_PER_CLAIM = 2
"""A look asks two things side by side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Acquire, or something before it, answered. `body` is cut where it is not `whole`."""

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
        origin = urlsplit(settings.origin)
        self._headers = [
            (b"Host", origin.netloc.encode("ascii")),
            (b"Authorization", f"Bearer {settings.api_key.reveal()}".encode("ascii")),
            (b"Accept", b"application/json"),
            # What is packed could unpack to more than we want to hold.
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"reopener"),
        ]
        self._timeout_seconds = settings.timeout_seconds
        self._clock = clock
        is_tls = origin.scheme == "https"
        place = Place(
            host=origin.hostname or "",
            port=origin.port or (443 if is_tls else 80),
            tls=(tls or _trusting()) if is_tls else None,
            connect_seconds=min(LONGEST_CONNECT_SECONDS, CONNECT_SHARE * self._timeout_seconds),
            socket_options=_socket_options(settings.timeout_seconds),
        )
        self._connections = Connections(
            place, clock, keepalive_seconds=KEEPALIVE_SECONDS, most=CONNECTIONS_PER_CLAIM * concurrency
        )

    async def exchange(
        self, request: Request, *, may_send: Callable[[], bool] | None = None
    ) -> tuple[Result, Call]:
        """Send the request and read the answer, and tell how that went. Raises nothing but CancelledError.

        `may_send` is asked when the connection stands, as the last act before the first byte is written.
        """
        started_ms = self._clock.now_ms()
        course = _Course(self._clock, may_send)
        result: Result
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await self._ask(request, course)
        except TimeoutError:
            result = course.broken(f"{course.lacking} within {self._timeout_seconds:g} s")
        # Whatever breaks once a byte has left, the outcome is unknown: nothing may escape as anything else.
        except Exception as error:  # noqa: BLE001 as said above
            result = course.broken(_words_of(error))
        return result, course.call(request.name, started_ms, result)

    async def _ask(self, request: Request, course: _Course) -> Answer:
        head, body = self._packed(request)
        async with self._connections.one(course) as connection:
            response = await connection.exchange(head, body, course)
        return Answer(response.http_status, response.body, response.whole, self._retry_after(response))

    def _packed(self, request: Request) -> tuple[h11.Request, bytes]:
        headers, body = self._headers, b""
        if request.body is not None:
            # ASCII: JSON escapes the rest, so half of a surrogate pair in a customer's text does no harm.
            body = json.dumps(request.body).encode("ascii")
            length = str(len(body)).encode("ascii")
            headers = [*headers, (b"Content-Type", b"application/json"), (b"Content-Length", length)]
        target = f"/api/v1{request.path}" + (
            f"?{'&'.join(map(_encoded, request.query))}" if request.query else ""
        )
        return h11.Request(method=request.method, target=target.encode("ascii"), headers=headers), body

    def _retry_after(self, response: Response) -> float | None:
        if response.http_status < 300:
            return None
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers.items()
        }
        return retry_after_seconds(headers, self._clock.now())

    async def aclose(self) -> None:
        await self._connections.aclose()


class _SendForbidden(Exception):
    """`may_send` said no."""


class _Course:
    """How one call goes: how long each step took, and whether a byte may have left."""

    def __init__(self, clock: Clock, may_send: Callable[[], bool] | None) -> None:
        self._clock = clock
        self._may_send = may_send
        self._began = self._step_began = clock.monotonic()
        self._sent = False
        self._timings_ms: list[tuple[str, int]] = []
        self._http_status: int | None = None

    def began(self) -> None:
        self._step_began = self._clock.monotonic()

    def done(self, step: str) -> None:
        self._timings_ms.append((step, self._ms_since(self._step_began)))

    def sending(self) -> None:
        self.began()
        if self._may_send is not None and not self._may_send():
            raise _SendForbidden("the last check before sending said no")
        self._sent = True

    def answered(self, http_status: int) -> None:
        self.done("first_byte")
        self._http_status = http_status

    @property
    def lacking(self) -> str:
        """What there was not, when time was up."""
        if not self._sent:
            return "no connection" if self._timings_ms else "no free connection"
        return "no whole answer"

    def _ms_since(self, moment: float) -> int:
        return round((self._clock.monotonic() - moment) * 1000)

    def broken(self, error: str) -> Broken:
        return Broken(error, self._sent, self._http_status)

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


@lru_cache(maxsize=256)
def _encoded(parameter: tuple[str, str]) -> str:
    """Most parameters are the same in every call; encoding those of one anew takes 24 µs."""
    return urlencode((parameter,))


def _trusting() -> ssl.SSLContext:
    """TLS that trusts the authorities of the certifi package, whatever the environment says."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _socket_options(timeout_seconds: float) -> list[SocketOption]:
    """Closing, by us or by a killed process' kernel, drops what was not delivered and resets the connection;
    what is not acknowledged within the time-out ends it too. Without these a request is delivered long after
    its sender died.
    """
    options: list[SocketOption] = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
    ]
    user_timeout: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone has it
    if user_timeout is not None:
        options.append((socket.IPPROTO_TCP, user_timeout, round(timeout_seconds * 1000)))
    return options


def _words_of(error: Exception) -> str:
    # The library's words on a faulty request may quote its headers, and with them the key.
    said = "" if isinstance(error, h11.LocalProtocolError) else str(error)
    name = type(error).__name__.lstrip("_")
    return bounded(f"{name}: {said}" if said else name)
