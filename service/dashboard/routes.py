"""Which page is at which address, and who may see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from service.auth import COOKIE, SESSION_SECONDS, Gatekeeper
from service.dashboard.pages import Pages, render
from service.domain.errors import Conflict, LedgerUnavailable, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger
    from service.settings import Settings

    Handler = Callable[[Request], Awaitable[Response]]

STATIC = Path(__file__).parent / "static"
LARGEST_FORM_BYTES = 64 * 1024


def routes(ledger: Ledger, settings: Settings, clock: Clock) -> list[BaseRoute]:
    """All pages. Raises ValueError where there is no admin token."""
    if settings.admin_token is None:
        raise ValueError("the dashboard needs a REOPENER_ADMIN_TOKEN")
    gatekeeper = Gatekeeper(settings.admin_token, clock)
    pages = Pages(ledger, clock)
    door = _Door(gatekeeper)
    shown: list[tuple[str, Handler]] = [
        ("/", pages.overview),
        ("/reopens", pages.reopens),
        ("/reopens/{id}", pages.reopen),
        ("/deliveries", pages.deliveries),
        ("/threads/{thread_id:int}", pages.thread),
    ]
    changes: list[tuple[str, Handler]] = [
        ("/reopens/{id}/retry", pages.retry),
        ("/reopens/{id}/cancel", pages.cancel),
        ("/pause", pages.pause),
        ("/resume", pages.resume),
    ]
    return [
        *(Route(path, door.for_viewing(handler), methods=["GET"]) for path, handler in shown),
        *(Route(path, door.for_changing(handler), methods=["POST"]) for path, handler in changes),
        Route("/login", door.ask, methods=["GET"]),
        Route("/login", door.let_in, methods=["POST"]),
        Route("/logout", door.for_changing(door.let_out), methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


class _Door:
    """Signing in and out, and what a page needs around it."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper

    def for_viewing(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            if not self._gatekeeper.has_session(request):
                return RedirectResponse("/login", status_code=303)
            request.state.csrf_token = self._gatekeeper.csrf_token(request)
            try:
                return await handler(request)
            except NotFound as missing:
                return render(request, "message.html", status=404, title="Not found", message=f"{missing}.")
            except LedgerUnavailable:
                words = "Redis is away. What is stored is safe; load this page again in a moment."
                return render(request, "message.html", status=503, title="Redis is away", message=words)

        return answer

    def for_changing(self, handler: Handler) -> Handler:
        async def change(request: Request) -> Response:
            form = await _form(request)
            if not self._gatekeeper.csrf_matches(request, form.get("csrf_token", "")):
                words = "This form was not of this session. Go back, load the page again, and repeat it."
                return render(request, "message.html", status=403, title="Not done", message=words)
            try:
                return await handler(request)
            except Conflict as conflict:
                return render(request, "message.html", status=409, title="Not done", message=f"{conflict}.")

        return self.for_viewing(change)

    async def ask(self, request: Request) -> Response:
        return render(request, "login.html", title="Sign in")

    async def let_in(self, request: Request) -> Response:
        if not self._gatekeeper.may_try():
            words = "Too many failed attempts; wait a minute."
            return render(request, "login.html", status=429, title="Sign in", message=words)
        form = await _form(request)
        if not self._gatekeeper.opens(form.get("token", "").strip()):
            self._gatekeeper.note_failure()
            words = "That is not the admin token. It is in REOPENER_ADMIN_TOKEN, or `make run` printed it."
            return render(request, "login.html", status=401, title="Sign in", message=words)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            COOKIE,
            self._gatekeeper.new_session(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    async def let_out(self, _: Request) -> Response:
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE)
        return answer


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, read no further than a form of ours is long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
