"""Pages that only show: why, deliveries, threads, the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from service import views
from service.asking import is_number
from service.dashboard import asked as asking
from service.dashboard.rendering import render
from service.domain.errors import NotFound
from service.ledger.reads import VERDICTS
from service.stored import NOT_KEPT, explained_one
from service.why import why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.ledger import Ledger
    from service.settings import SourceSettings

PAGE = 50


@dataclass(frozen=True, slots=True)
class LookingPages:
    ledger: Ledger
    sources: Mapping[str, SourceSettings]

    async def why(self, request: Request) -> Response:
        term = request.query_params.get("q", "").strip()[:200]
        told = await why(self.ledger, term) if term else None
        return render(request, "why.html", title="Why?", told=told, term=term)

    async def deliveries(self, request: Request) -> Response:
        query = request.query_params
        asked = {name: query.get(name, "").strip()[:200] for name in ("verdict", "source")}
        records = await self.ledger.reads.deliveries(
            verdict=asked["verdict"] if asked["verdict"] in VERDICTS else None,
            source=asked["source"] or None,
            cursor=asking.stream_cursor(query.get("cursor", "")),
            limit=PAGE,
        )
        return render(
            request,
            "deliveries.html",
            title="Deliveries",
            asked=asked,
            verdicts=VERDICTS,
            sources=await self.ledger.reads.sources(),
            deliveries=records.deliveries,
            older=asking.query(asked, cursor=records.next_cursor) if records.next_cursor else None,
        )

    async def delivery(self, request: Request) -> Response:
        """One delivery step by step, as its source is configured now, while its request is kept."""
        delivery_id = request.path_params["id"]
        of_delivery = await self.ledger.heard.of_delivery(delivery_id)
        line = await explained_one(self.ledger, self.sources, delivery_id.partition(".")[0])
        if line is None and not of_delivery:
            raise NotFound("there is no delivery of that id among the latest")
        return render(
            request,
            "delivery.html",
            title=f"Delivery {delivery_id[:10]}",
            deliveries=of_delivery,
            line=line,
            not_kept=NOT_KEPT,
        )

    async def threads(self, request: Request) -> Response:
        """Where to find a thread, and those with duplicates."""
        told = request.query_params.get("id", "").strip()
        if is_number(told):
            return RedirectResponse(f"/threads/{int(told)}", status_code=303)
        duplicates = await self.ledger.reads.duplicates(PAGE)
        return render(request, "threads.html", title="Threads", told=told, duplicates=duplicates)

    async def thread(self, request: Request) -> Response:
        view = await self.ledger.reads.thread(request.path_params["thread_id"])
        if view is None:
            raise NotFound("nothing is known of a thread of that id: ask Why? with the ticket's id")
        told = views.thread(view)
        return render(request, "thread.html", title=f"Thread {told['thread_id']}", thread=told)

    async def audit(self, request: Request) -> Response:
        cursor = asking.stream_cursor(request.query_params.get("cursor", ""))
        entries, older = await self.ledger.audit.latest(cursor=cursor, limit=PAGE)
        sources = await self.ledger.reads.sources()
        return render(request, "audit.html", title="Audit", entries=entries, older=older, sources=sources)
