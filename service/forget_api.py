"""`POST /api/forget`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from service.asking import LONGEST_NAME, Unclear, body_of, caller, id_of, text_of
from service.forget import Customer, forget
from service.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from service.ledger import Ledger
    from service.settings import Settings

WHOM = ("contact_id", "email", "ticket_id")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ForgetApi:
    ledger: Ledger
    settings: Settings

    async def forget(self, request: Request) -> Response:
        """Erase a customer; how much there was."""
        customer = _customer(await body_of(request, known=(*WHOM, "source")))
        forgotten = await forget(self.ledger, self.settings, customer, by=caller(request))
        log.info("api.changed", what="forgotten", count=forgotten.reopens)
        return JSONResponse(asdict(forgotten))


def _customer(told: Mapping[str, Any]) -> Customer:
    named = [name for name in WHOM if told.get(name) is not None]
    if len(named) != 1:
        raise Unclear(f"Say whom to forget by one of {', '.join(WHOM)}.", code="bad_customer")
    source = text_of(told, "source", longest=LONGEST_NAME, needed=False) or None
    match named[0]:
        case "contact_id":
            return Customer("contact", str(id_of(told, "contact_id")), source)
        case "email":
            return Customer("email", text_of(told, "email", longest=LONGEST_NAME), source)
        case _:
            return Customer("ticket", text_of(told, "ticket_id", longest=LONGEST_NAME), source)
