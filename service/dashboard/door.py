"""Signing in and out, and what every page needs around it: a session, CSRF protection, words for errors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import RedirectResponse, Response

from service.auth import COOKIE, LONGEST_NAME, SESSION_SECONDS, Gatekeeper, Session
from service.dashboard.rendering import LIVE_HEADER, render
from service.domain.errors import Conflict, LedgerUnavailable, NotFound
from service.ledger.audit import By
from service.spoken import number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from service.intake.spool import SpoolOf, SpoolState

    Handler = Callable[[Request], Awaitable[Response]]

LARGEST_FORM_BYTES = 256 * 1024


class Door:
    """Lets viewers look and admins act."""

    def __init__(self, gatekeeper: Gatekeeper, spool: SpoolOf) -> None:
        self._gatekeeper = gatekeeper
        self._spool = spool

    def for_viewing(self, handler: Handler) -> Handler:
        """The handler for whoever is signed in; `request.state` then holds `session` and `csrf_token`."""

        async def answer(request: Request) -> Response:
            session = self._gatekeeper.session(request)
            if session is None:
                return _to_login(request)
            request.state.session = session
            request.state.csrf_token = self._gatekeeper.csrf_token(request)
            try:
                return await handler(request)
            except NotFound as missing:
                return render(request, "message.html", status=404, title="Not found", message=f"{missing}.")
            except Conflict as conflict:
                return render(request, "message.html", status=409, title="Not done", message=f"{conflict}.")
            except LedgerUnavailable:
                words = _of_away(self._spool())
                return render(request, "message.html", status=503, title="Redis is away", message=words)

        return answer

    def for_changing(self, handler: Handler, *, needs_admin: bool = True) -> Handler:
        """The handler for a form of ours, sent by an admin; `request.state.form` then holds its fields."""

        async def change(request: Request) -> Response:
            form = await form_of(request)
            if not self._gatekeeper.csrf_matches(request, _first(form, "csrf_token")):
                words = "This form was not of this session. Go back, load the page again, and repeat it."
                return render(request, "message.html", status=403, title="Not done", message=words)
            if needs_admin and not request.state.session.may_change:
                words = "You are signed in as a viewer. Sign in with the admin token to change anything."
                return render(request, "message.html", status=403, title="Not done", message=words)
            request.state.form = form
            return await handler(request)

        return self.for_viewing(change)

    async def ask(self, request: Request) -> Response:
        target = _local(request.query_params.get("next", ""))
        return render(request, "login.html", title="Sign in", next=target)

    async def let_in(self, request: Request) -> Response:
        form = await form_of(request)
        target = _local(_first(form, "next"))
        address = address_of(request)
        if not self._gatekeeper.may_try(address):
            words = f"Too many failed attempts from {address}; wait a minute."
            return render(request, "login.html", status=429, title="Sign in", message=words, next=target)
        role = self._gatekeeper.role_of(_first(form, "token").strip())
        if role is None:
            self._gatekeeper.note_failure(address)
            words = (
                "That is neither the admin token nor the viewer token. They are in REOPENER_ADMIN_TOKEN and"
                " REOPENER_VIEWER_TOKEN; `make run` printed the first."
            )
            return render(request, "login.html", status=401, title="Sign in", message=words, next=target)
        answer = RedirectResponse(target or "/", status_code=303)
        answer.set_cookie(
            COOKIE,
            self._gatekeeper.new_session(role, _first(form, "name").strip()[:LONGEST_NAME]),
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


def by(request: Request, why: str = "") -> By:
    """Whom the audit log names."""
    session: Session = request.state.session
    return By(f"{session.name or session.role} at {address_of(request)}", "dashboard", why)


def address_of(request: Request) -> str:
    return request.client.host if request.client else "somewhere"


def field(request: Request, name: str) -> str:
    """A field of the form that was sent, without blanks around it."""
    return _first(request.state.form, name).strip()


async def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form, read no further than a form of ours is long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM_BYTES:
            return {}
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    return fields


def _first(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def _of_away(spool: SpoolState | None) -> str:
    meanwhile = (
        "helpdesks are told to send again"
        if spool is None
        else f"{number(spool.deliveries)} deliveries wait on this receiver's disk"
    )
    return (
        f"It does not answer, so nothing can be shown or changed. What is stored is safe; {meanwhile}."
        " Load this page again in a moment. Where that does not help, reopener check tells what is wrong."
    )


def _to_login(request: Request) -> Response:
    if LIVE_HEADER in request.headers:
        return Response(status_code=401)
    if request.method != "GET" or request.url.path == "/":
        return RedirectResponse("/login", status_code=303)
    login = request.url.replace(path="/login", query="").include_query_params(
        next=f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    )
    return RedirectResponse(f"{login.path}?{login.query}", status_code=303)


def _local(target: str) -> str:
    """The address where it is a page of ours, else "": nobody is sent elsewhere after signing in."""
    parts = urlsplit(target)
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    return target if is_ours and target.isprintable() else ""
