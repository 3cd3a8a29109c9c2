"""`/api/links/{source}/{ticket_id}`: contact and thread of a ticket, as people put them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from service import views
from service.asking import body_of, caller, id_of
from service.domain.errors import NotFound
from service.ledger.links import Link
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.ledger import Ledger

NOBODY_KNOWS = (
    "No source of this name is configured, and none has sent anything: is it the right one? The link is kept."
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinksApi:
    """`sources` are those that are configured. One that is no more, or is to be, has links too."""

    ledger: Ledger
    sources: Collection[str]

    async def show(self, request: Request) -> Response:
        source, ticket_id = _named(request)
        known = await self.ledger.reads.link(source, ticket_id)
        if known is None:
            raise NotFound("this ticket is not linked")
        return JSONResponse(views.link(source, ticket_id, known))

    async def put(self, request: Request) -> Response:
        source, ticket_id = _named(request)
        told = await body_of(request, known=("contact_id", "thread_id"))
        link = Link(id_of(told, "contact_id"), id_of(told, "thread_id"))
        is_known = source in self.sources or source in await self.ledger.reads.sources()
        released = await self.ledger.verbs.link(source, ticket_id, link, by=caller(request))
        log.info("api.changed", what="linked", source=source, ticket_id=ticket_id)
        warning = {} if is_known else {"warning": NOBODY_KNOWS}
        return JSONResponse(views.link(source, ticket_id, link) | {"released": released} | warning)

    async def delete(self, request: Request) -> Response:
        source, ticket_id = _named(request)
        await self.ledger.verbs.unlink(source, ticket_id, by=caller(request))
        log.info("api.changed", what="unlinked", source=source, ticket_id=ticket_id)
        return Response(status_code=204)


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["source"], request.path_params["ticket_id"]
