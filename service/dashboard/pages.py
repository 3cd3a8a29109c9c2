"""What each page shows: reads of the ledger, rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from service import views
from service.domain.errors import NotFound
from service.domain.reopens import CANCELLABLE, RETRYABLE, Status
from service.ledger.audit import By
from service.ledger.listing import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LATEST = 10
PAGE = 50
VERDICTS = ("accepted", "duplicate", "ignored", "held", "rejected")

_templates = Environment(
    loader=PackageLoader("service.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def render(request: Request, template: str, *, status: int = 200, title: str, **more: Any) -> Response:
    """A page from its template; everything that is put in is escaped."""
    csrf_token = getattr(request.state, "csrf_token", None)
    known = {"message": None, "csrf_token": csrf_token, "title": title, "path": request.url.path}
    page = _templates.get_template(template).render(known | more)
    return HTMLResponse(page, status_code=status, headers=HEADERS)


@dataclass(frozen=True, slots=True)
class Pages:
    ledger: Ledger
    clock: Clock

    async def overview(self, request: Request) -> Response:
        numbers = await self.ledger.reads.stats(self.clock.now_ms())
        latest = await self.ledger.listing.page(Wanted(), limit=LATEST)
        workers = await self.ledger.reads.workers()
        return render(
            request,
            "overview.html",
            title="Overview",
            stats=views.stats(numbers, workers=workers),
            reopens=views.page(latest)["reopens"],
        )

    async def reopens(self, request: Request) -> Response:
        query = request.query_params
        asked = {name: query.get(name, "") for name in ("q", "status", "source")}
        status = Status(asked["status"]) if asked["status"] in {each.value for each in Status} else None
        cursor = query.get("cursor", "")
        records = await self.ledger.listing.page(
            Wanted(status=status, source=asked["source"] or None, prefix=asked["q"] or None),
            cursor=cursor if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else None,
            limit=PAGE,
        )
        return render(
            request,
            "reopens.html",
            title="Reopens",
            asked=asked,
            statuses=[each.value for each in Status],
            reopens=views.page(records)["reopens"],
            older=_older(asked, records.next_cursor),
        )

    async def reopen(self, request: Request) -> Response:
        record = await self.ledger.reads.reopen(request.path_params["id"])
        if record is None:
            raise NotFound("there is no reopen of that id")
        return render(
            request,
            "reopen.html",
            title=f"Reopen {record.id}",
            reopen=views.reopen(record),
            text=record.text,
            may_retry=record.status in RETRYABLE,
            may_cancel=record.status in CANCELLABLE,
        )

    async def deliveries(self, request: Request) -> Response:
        query = request.query_params
        asked = {name: query.get(name, "") for name in ("verdict", "source")}
        cursor = query.get("cursor", "")
        records = await self.ledger.reads.deliveries(
            verdict=asked["verdict"] if asked["verdict"] in VERDICTS else None,
            source=asked["source"] or None,
            cursor=cursor if cursor.replace("-", "", 1).isdigit() and cursor.isascii() else None,
            limit=PAGE,
        )
        told = views.deliveries(records)
        return render(
            request,
            "deliveries.html",
            title="Deliveries",
            asked=asked,
            verdicts=VERDICTS,
            deliveries=told["deliveries"],
            older=_older(asked, told["next_cursor"]),
        )

    async def thread(self, request: Request) -> Response:
        view = await self.ledger.reads.thread(request.path_params["thread_id"])
        if view is None:
            raise NotFound("nothing is known of a thread of that id")
        told = views.thread(view)
        return render(request, "thread.html", title=f"Thread {told['thread_id']}", thread=told)

    async def retry(self, request: Request) -> Response:
        record = await self.ledger.verbs.retry(request.path_params["id"], by=By("admin", "dashboard"))
        return RedirectResponse(f"/reopens/{record.id}", status_code=303)

    async def cancel(self, request: Request) -> Response:
        record = await self.ledger.verbs.cancel(request.path_params["id"], by=By("admin", "dashboard"))
        return RedirectResponse(f"/reopens/{record.id}", status_code=303)

    async def pause(self, _: Request) -> Response:
        await self.ledger.account.pause(By("admin", "dashboard"))
        return RedirectResponse("/", status_code=303)

    async def resume(self, _: Request) -> Response:
        await self.ledger.account.resume(By("admin", "dashboard"))
        return RedirectResponse("/", status_code=303)


def _older(asked: dict[str, str], cursor: str | None) -> str | None:
    """The query of the next page, None on the last."""
    return "?" + urlencode({**asked, "cursor": cursor}) if cursor else None
