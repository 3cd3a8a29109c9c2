"""Pages from templates. Everything that is put in is escaped; no page carries script or style of its own."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from service import words
from service.spoken import lasting, number

if TYPE_CHECKING:
    from starlette.requests import Request

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LIVE_HEADER = "x-live"
"""Set by the page's own script when it asks for a page again: it wants the main part only."""


def render(request: Request, template: str, *, status: int = 200, title: str, **more: Any) -> Response:
    """A page from its template, or its main part where the page's own script asks for it again.

    A main part that has not changed since is 304, so that a slow connection carries only news.
    """
    is_live = LIVE_HEADER in request.headers
    known = {
        "message": None,
        "csrf_token": getattr(request.state, "csrf_token", None),
        "session": getattr(request.state, "session", None),
        "title": title,
        "path": request.url.path,
        "layout": "live.html" if is_live else "page.html",
        "q": request.query_params.get("q", ""),
    }
    page = _templates.get_template(template).render(known | more)
    if not is_live:
        return HTMLResponse(page, status_code=status, headers=HEADERS)
    tag = f'"{hashlib.sha256(page.encode()).hexdigest()[:20]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={**HEADERS, "ETag": tag})
    return HTMLResponse(page, status_code=status, headers={**HEADERS, "ETag": tag})


def utc(moment: str | int | None) -> str:
    """A time as people read it: `2026-11-25 10:22:01`, of RFC 3339 or of unix milliseconds."""
    if moment is None:
        return ""
    if isinstance(moment, str):
        return moment[:19].replace("T", " ")
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_templates = Environment(
    loader=PackageLoader("service.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(utc=utc, iso=iso, lasting=lasting, number=number, says=words.says)
