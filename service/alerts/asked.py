"""`/api/alerts`: what people are told of now, how the latest sendings ended, and whether it reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from service import views
from service.alerts.sending import try_all
from service.alerts.transitions import known_from
from service.asking import caller
from service.domain.errors import Conflict

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.alerts.transitions import Alert
    from service.clock import Clock
    from service.ledger import Ledger
    from service.ledger.alerts import Sending
    from service.settings import AlertSettings

NO_CHANNEL = "no channel is set: name variables that hold addresses in [alerts] url_envs"


@dataclass(frozen=True, slots=True)
class AlertsApi:
    ledger: Ledger
    settings: AlertSettings
    clock: Clock

    async def show(self, _: Request) -> Response:
        known = (await self.ledger.alerts.known())[1]
        return JSONResponse(
            {
                "channels": [channel.name for channel in self.settings.channels],
                "firing": [_firing(each) for each in known_from(known).values() if each.fired_ms],
                "sendings": [_sending(each) for each in await self.ledger.alerts.latest(limit=50)],
            }
        )

    async def test(self, request: Request) -> Response:
        """Send a test through every channel, and tell what came of each."""
        if not self.settings.channels:
            raise Conflict(NO_CHANNEL)
        tried = await try_all(self.settings, self.clock.now_ms())
        await self.ledger.audit.note(caller(request), "test alerts", ", ".join(tried))
        results = [{"channel": name, "error": error} for name, error in tried.items()]
        return JSONResponse({"results": results})


def _firing(alert: Alert) -> dict[str, Any]:
    return {
        "slug": alert.slug,
        "subject": alert.subject or None,
        "title": alert.title,
        "mend": alert.mend,
        "link": alert.link,
        "told_at": views.time(alert.fired_ms),
    }


def _sending(sending: Sending) -> dict[str, Any]:
    return {
        "channel": sending.channel,
        "title": sending.title,
        "state": sending.state,
        "at": views.time(sending.at_ms),
        "error": sending.error,
    }
