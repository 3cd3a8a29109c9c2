"""`POST /api/forget`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from service.asking import body_of, caller
from service.forget import WHOM, customer_of, forget
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.ledger import Ledger
    from service.settings import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ForgetApi:
    ledger: Ledger
    settings: Settings

    async def forget(self, request: Request) -> Response:
        """Erase a customer; how much there was."""
        customer = customer_of(await body_of(request, known=(*WHOM, "source")))
        forgotten = await forget(self.ledger, self.settings, customer, by=caller(request))
        log.info("api.changed", what="forgotten", count=forgotten.reopens)
        return JSONResponse(asdict(forgotten))
