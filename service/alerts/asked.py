"""`POST /api/alerts/test`: whether alerts reach people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from service.alerts.sending import try_all
from service.asking import caller
from service.domain.errors import Conflict

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.clock import Clock
    from service.ledger import Ledger
    from service.settings import AlertSettings

NO_CHANNEL = "no channel is set: name variables that hold addresses in [alerts] url_envs"


@dataclass(frozen=True, slots=True)
class AlertsApi:
    ledger: Ledger
    settings: AlertSettings
    clock: Clock

    async def test(self, request: Request) -> Response:
        """Send a test through every channel, and tell what came of each."""
        if not self.settings.channels:
            raise Conflict(NO_CHANNEL)
        tried = await try_all(self.settings, self.clock.now_ms())
        await self.ledger.audit.note(caller(request), "test alerts", ", ".join(tried))
        results = [{"channel": name, "error": error} for name, error in tried.items()]
        return JSONResponse({"results": results})
