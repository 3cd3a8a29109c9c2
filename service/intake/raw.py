"""A delivery as it arrived: bounded, raw, and of a content type that its source sends."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.datastructures import URL

from service.sources.base import Request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

LARGEST_BODY_BYTES = 1024 * 1024


class Refused(Exception):
    """A delivery that gets one of the contract's error answers."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


async def read(scope: Scope, receive: Receive) -> Request:
    """The request with its raw body, read no further than the bound. Raises `Refused`."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    told = headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told) > LARGEST_BODY_BYTES:
        raise _too_large()
    query = scope["query_string"]
    return Request(
        method=scope["method"],
        url=_url(scope["scheme"], headers.get("host", ""), scope["path"], query, scope.get("server")),
        headers=headers,
        body=await _body(receive),
        query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {},
    )


async def _body(receive: Receive) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "body_incomplete", "The connection ended before the body did.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_content_type(request: Request, accepted: frozenset[str]) -> None:
    """Raise `Refused` where the source does not send this type, or not uncompressed."""
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told and told not in accepted:
        raise Refused(415, "content_type", f"This source sends {' or '.join(sorted(accepted))}.")
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Refused(415, "content_encoding", "Bodies must come uncompressed, as they were signed.")


def _too_large() -> Refused:
    return Refused(413, "body_too_large", f"A body may hold {LARGEST_BODY_BYTES} bytes.")


@lru_cache(maxsize=256)
def _url(scheme: str, host: str, path: str, query: bytes, server: tuple[str, int] | None) -> str:
    """The full URL as seen. A source's deliveries share one, and making it costs more than its signature."""
    scope: dict[str, Any] = {"scheme": scheme, "path": path, "query_string": query, "server": server}
    return str(URL(scope={**scope, "headers": [(b"host", host.encode("latin-1"))] if host else []}))
