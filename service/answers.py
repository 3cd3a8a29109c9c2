"""Error answers: one body shape for all of them, saying what to mend."""

from __future__ import annotations

from starlette.responses import JSONResponse


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
