"""A load generator that costs little: requests signed beforehand, over connections that stay open.

Closed loop: every connection sends its next request as soon as it has its answer. Open loop: requests leave
at their time whether or not answers came, and an answer's time counts from then (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import hmac
import json
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

SECRET_BYTES = b"bench-bench-bench-bench-bench-12"
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()
SOURCE = "bench"
CONNECTIONS_OPEN_LOOP = 256


@dataclass(slots=True)
class Answers:
    """What came back: statuses, and in open loop the milliseconds of each, with how late it was sent.

    The lateness is the generator's own, and is in the answer's time all the same: who shares the processors
    with what it measures cannot tell all of its waiting apart.
    """

    seconds: float = 0.0
    statuses: Counter[bytes] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)

    @property
    def ok(self) -> int:
        return self.statuses[b"200"]

    @property
    def per_second(self) -> float:
        return self.ok / self.seconds

    def percentile(self, share: float) -> float:
        return percentile(self.ms, share)


def percentile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def signed(first: int, count: int, *, now: int, host: str = "bench") -> list[bytes]:
    """Deliveries of the standard kind, each a new event of a thread and ticket of its own."""
    return [_signed(number, str(now), host) for number in range(first, first + count)]


def _signed(number: int, written: str, host: str) -> bytes:
    event_id = f"evt_{number}"
    body = json.dumps(
        {
            "type": "ticket.customer_replied",
            "timestamp": "2026-11-23T10:00:00Z",
            "data": {
                "ticket_id": f"T{number}",
                "ticket_status": "closed",
                "contact_id": 10_000_000 + number,
                "thread_id": 20_000_000 + number,
                "author": "customer",
                "message": f"It broke again, for the {number}th time. Please have a look.",
            },
        }
    ).encode()
    content = f"{event_id}.{written}.".encode() + body
    signature = base64.b64encode(hmac.digest(SECRET_BYTES, content, hashlib.sha256)).decode()
    head = (
        f"POST /webhooks/{SOURCE} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"user-agent: bench\r\nwebhook-id: {event_id}\r\nwebhook-timestamp: {written}\r\n"
        f"webhook-signature: v1,{signature}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def closed_loop(port: int, requests: list[bytes], *, connections: int, seconds: float) -> Answers:
    """As many as can be, for so many seconds or until the requests are used up."""
    answers, waiting = Answers(), iter(requests)
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(connections)]
    _quiet()
    started = time.perf_counter()
    until = started + seconds

    def answered(client: _Client, status: bytes) -> None:
        answers.statuses[status] += 1
        _next(client)

    def _next(client: _Client) -> None:
        request = next(waiting, None) if time.perf_counter() < until else None
        if request is None:
            client.done.set()
        else:
            client.send(request, answered)

    for client in opened:
        _next(client)
    await asyncio.gather(*(client.done.wait() for client in opened))
    answers.seconds = time.perf_counter() - started
    for client in opened:
        client.close()
    return answers


async def open_loop(
    port: int, requests: list[bytes], *, per_second: float, connections: int = CONNECTIONS_OPEN_LOOP
) -> Answers:
    """All requests at this rate."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    idle: deque[_Client] = deque()
    for _ in range(connections):
        idle.append((await loop.create_connection(_Client, "127.0.0.1", port))[1])
    late: deque[tuple[bytes, float]] = deque()
    left, finished = len(requests), asyncio.Event()

    def send(client: _Client, request: bytes, due: float) -> None:
        def answered(client: _Client, status: bytes) -> None:
            nonlocal left
            answers.statuses[status] += 1
            answers.ms.append((time.perf_counter() - due) * 1000)
            left -= 1
            if late:
                send(client, *late.popleft())
            else:
                idle.append(client)
            if not left:
                finished.set()

        client.send(request, answered)

    _quiet()
    started = time.perf_counter()
    for due, request in _schedule(requests, started, per_second):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answers.late_ms.append((time.perf_counter() - due) * 1000)
        if idle:
            send(idle.popleft(), request, due)
        else:
            late.append((request, due))
    await finished.wait()
    answers.seconds = time.perf_counter() - started
    for client in idle:
        client.close()
    return answers


def _schedule(requests: list[bytes], started: float, per_second: float) -> Iterator[tuple[float, bytes]]:
    for place, request in enumerate(requests):
        yield started + place / per_second, request


def _quiet() -> None:
    """The requests are never collected: pauses of ours would be taken for the receiver's."""
    gc.collect()
    gc.freeze()


class _Client(asyncio.Protocol):
    """One connection, one request at a time."""

    __slots__ = ("_answered", "_buffer", "_transport", "done")

    def __init__(self) -> None:
        self._buffer = b""
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes, answered: object) -> None:
        self._answered = answered
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.find(b"content-length: ", 0, end)
        length = int(buffer[at + 16 : buffer.find(b"\r\n", at)]) if at >= 0 else 0
        if len(buffer) >= end + 4 + length:
            self._buffer = b""
            self._answered(self, buffer[9:12])

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.is_set() and hasattr(self, "_answered"):
            self.done.set()

    def close(self) -> None:
        self.done.set()
        self._transport.close()
