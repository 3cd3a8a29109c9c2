"""Answers: what a delivery is told, and one body shape for all errors, saying what to mend."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from service.json_text import compact


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


def error(
    status: int,
    code: str,
    message: str,
    *,
    retry_after_seconds: int | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """`{"error": {"code", "message"}}` with its status, and `Retry-After` in seconds where given."""
    more = dict(headers or {})
    if retry_after_seconds is not None:
        more["Retry-After"] = str(retry_after_seconds)
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=more)
