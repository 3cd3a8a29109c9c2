"""One reopen: its whole story, its siblings, and what a person can do about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.responses import RedirectResponse

from service import views
from service.asking import Unclear, id_of
from service.contacts import CannotSearch, FoundContact, find_contacts
from service.dashboard.door import by, field
from service.dashboard.rendering import render
from service.dashboard.story import story
from service.domain.errors import Conflict, NotFound
from service.domain.reopens import CANCELLABLE, RETRYABLE, RUN_AGAIN, Status, reopen_id
from service.ledger.links import RESOLVABLE
from service.ledger.listing import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.domain.reopens import Reopen
    from service.ledger import Ledger
    from service.settings import Settings

SIBLINGS = 12


@dataclass(frozen=True, slots=True)
class ReopenPages:
    ledger: Ledger
    settings: Settings

    async def show(self, request: Request) -> Response:
        record = await self.ledger.reads.reopen(request.path_params["id"])
        if record is None:
            raise NotFound("there is no reopen of that id")
        arrivals, deeds, thread, siblings, exchanges = await asyncio.gather(
            self.ledger.reads.arrivals(record.id),
            self.ledger.audit.of(record.id),
            self.ledger.reads.thread_alone(record.thread_id),
            self._siblings(record),
            self.ledger.bodies.of(record.id),
        )
        search = request.query_params.get("contact", "").strip()[:200]
        contacts, fault = await self._search(search)
        return render(
            request,
            "reopen.html",
            title=f"Reopen {record.id}",
            reopen=views.reopen(record),
            text=record.text,
            email=record.email,
            moments=story(
                record,
                arrivals=arrivals,
                deeds=deeds,
                unsettled=thread.unsettled if thread else (),
                duplicates=thread.duplicates if thread else (),
                exchanges=exchanges,
            ),
            siblings=siblings,
            may=_verbs(record),
            case_url=self._case_url(record),
            search=search,
            contacts=contacts,
            fault=fault,
        )

    async def retry(self, request: Request) -> Response:
        why = field(request, "why")
        return _to(await self.ledger.verbs.retry(request.path_params["id"], by=by(request, why)))

    async def cancel(self, request: Request) -> Response:
        why = field(request, "why")
        return _to(await self.ledger.verbs.cancel(request.path_params["id"], by=by(request, why)))

    async def resolve(self, request: Request) -> Response:
        told = {name: field(request, name) for name in ("contact_id", "thread_id")}
        try:
            ids = id_of(told, "contact_id"), id_of(told, "thread_id")
        except Unclear as unclear:
            raise Conflict(unclear.message.rstrip(".")) from None
        first = request.path_params["id"]
        return _to(await self.ledger.verbs.resolve(first, *ids, by=by(request, field(request, "why"))))

    async def run_again(self, request: Request) -> Response:
        why = field(request, "why")[:1_000]
        if not why:
            raise Conflict("say why it is to be done once more: the reason is kept with the new reopen")
        first = request.path_params["id"]
        key = reopen_id(f"again\0{first}", field(request, "key") or uuid4().hex)
        text = field(request, "message") or None
        again = await self.ledger.verbs.run_again(first, why, key=key, text=text, by=by(request, why))
        return _to(again)

    async def _siblings(self, record: Reopen) -> list[dict[str, Any]]:
        if record.thread_id is None:
            return []
        page = await self.ledger.listing.page(Wanted(prefix=f"{record.thread_id}\0"), limit=SIBLINGS + 1)
        return [views.reopen(each) for each in page.reopens if each.id != record.id][:SIBLINGS]

    async def _search(self, search: str) -> tuple[list[FoundContact], str | None]:
        if not search:
            return [], None
        try:
            return await find_contacts(self.settings.acquire, search), None
        except CannotSearch as fault:
            return [], str(fault)

    def _case_url(self, record: Reopen) -> str | None:
        """Where Acquire shows the case: as the settings say, else its front page."""
        acquire = self.settings.acquire
        if record.new_case_id is None or acquire.origin is None:
            return None
        return (acquire.case_url or "{origin}/").format(origin=acquire.origin, case_id=record.new_case_id)


def _verbs(record: Reopen) -> dict[str, bool]:
    return {
        "retry": record.status in RETRYABLE,
        "cancel": record.status in CANCELLABLE,
        "resolve": record.status is Status.HELD and record.reason in RESOLVABLE,
        "run_again": record.status in RUN_AGAIN
        and record.contact_id is not None
        and record.thread_id is not None,
    }


def _to(record: Reopen) -> Response:
    return RedirectResponse(f"/reopens/{record.id}", status_code=303)
