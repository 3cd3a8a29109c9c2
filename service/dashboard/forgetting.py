"""Forgetting a customer, from the foot of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.asking import LONGEST_NAME
from service.dashboard.door import by, field
from service.dashboard.rendering import render
from service.domain.decide import canonical_id
from service.domain.errors import Conflict
from service.forget import SUBJECTS, Customer, forget, told
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
    value, source = field(request, "value")[:LONGEST_NAME], field(request, "source")[:LONGEST_NAME] or None
    if not value:
        raise Conflict("nothing was erased: say whom")
    match field(request, "kind"):
        case "contact":
            contact_id = canonical_id(value)
            if contact_id is None:
                raise Conflict("nothing was erased: a contact's id is a positive whole number")
            return Customer("contact", str(contact_id), source)
        case "email":
            return Customer("email", value, source)
        case "ticket":
            return Customer("ticket", value, source)
        case _:
            raise Conflict(f"nothing was erased: choose {', '.join(SUBJECTS.values())}")
