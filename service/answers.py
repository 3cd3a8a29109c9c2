"""Answers: what a delivery is told, and one body shape for all errors, saying what to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from service.json_text import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_AFTER_SECONDS = 5


class Told(Response):
    """A 200 with JSON. Made for each delivery, so it passes by what Starlette does for all responses."""

    def __init__(self, content: object) -> None:
        self.status_code = 200
        self.background = None
        self.body = compact(content)
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]


def error(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """`{"error": {"code", "message"}}` with its status; a 503 says when to come again."""
    told = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    content = {"error": {"code": code, "message": message}}
    return JSONResponse(content, status_code=status, headers={**told, **(headers or {})})
