"""Forgetting a customer, from the foot of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.asking import Unclear
from service.dashboard.door import by, field
from service.dashboard.rendering import render
from service.domain.errors import Conflict
from service.forget import Customer, customer_of, forget, told
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.ledger import Ledger
    from service.settings import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ForgettingPage:
    ledger: Ledger
    settings: Settings

    async def forget(self, request: Request) -> Response:
        customer = _customer(request)
        if field(request, "sure") != "yes":
            raise Conflict("nothing was erased: tick that it is meant, since nothing brings it back")
        forgotten = await forget(self.ledger, self.settings, customer, by=by(request))
        log.info("dashboard.forgotten", count=forgotten.reopens)
        return render(request, "message.html", title="Forgotten", message=told(forgotten))


def _customer(request: Request) -> Customer:
    named = {field(request, "kind"): field(request, "value")}
    try:
        return customer_of({**named, "source": field(request, "source")})
    except Unclear as unclear:
        raise Conflict(f"nothing was erased: {unclear.message.rstrip('.')}") from None
