"""The API's verbs for many: `POST /api/reopens/retry`, and how far each is under `/api/bulk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from service import views
from service.asking import Unclear, body_of, caller, choice_of, refuse_unknown, text_of
from service.domain.reopens import RETRYABLE, Status
from service.ledger.bulks import Order
from service.ledger.listing import Wanted
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.ledger import Ledger

LONGEST_SOURCE = 200

log = get_logger(__name__)


class Many:
    """A retry of many answers when all of them are queued; `Location` says where to see how far it is."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def retry(self, request: Request) -> Response:
        told = await body_of(request, known=("status", "source"))
        status = choice_of(told, "status", [each.value for each in RETRYABLE])
        if status is None:
            raise Unclear(
                "status must say which are to be retried: dead, cancelled or retrying.", code="bad_status"
            )
        source = text_of(told, "source", longest=LONGEST_SOURCE, needed=False) or None
        subject = f"all {status}" + (f" of {source}" if source else "")
        order = Order("retry", caller(request), (), Wanted(Status(status), source), subject)
        bulk_id = await self._ledger.bulks.create(order)
        count = (await self._ledger.bulks.fill(bulk_id, order)).taken
        log.info("api.changed", what="retried_all", status=status, count=count, bulk_id=bulk_id)
        return JSONResponse({"count": count}, headers={"Location": f"/api/bulk/{bulk_id}"})

    async def list(self, request: Request) -> Response:
        refuse_unknown(request.query_params, (), "parameter")
        return JSONResponse({"bulks": [views.bulk(each) for each in await self._ledger.bulks.latest()]})

    async def show(self, request: Request) -> Response:
        return JSONResponse(views.bulk(await self._ledger.bulks.bulk(request.path_params["id"])))

    async def cancel(self, request: Request) -> Response:
        bulk = await self._ledger.bulks.recall(request.path_params["id"], by=caller(request))
        log.info("api.changed", what="bulk_cancelled", bulk_id=bulk.id, count=bulk.taken_back)
        return JSONResponse(views.bulk(bulk))
