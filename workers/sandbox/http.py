"""Requests and answers, as little as a stand-in needs: this has to be quicker than what it is called by."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LARGEST_BODY_BYTES = 4 * 1024 * 1024
WITHOUT_BODY = frozenset({204, 304})


class Cut(Exception):
    """The connection is to be cut without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[bytes, bytes]
    body: bytes

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def json_answer(told: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(told, separators=(",", ":")).encode())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def read(scope: Scope, receive: Receive) -> Request:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Cut
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > LARGEST_BODY_BYTES:
            break
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=dict(scope["headers"]),
        body=body,
    )


async def write(answer: Answer, send: Send) -> None:
    body, headers = answer.body, list(answer.headers)
    if answer.status in WITHOUT_BODY:
        # Else it would be taken for the beginning of the next answer.
        body = b""
    else:
        headers += [(b"content-type", answer.content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
