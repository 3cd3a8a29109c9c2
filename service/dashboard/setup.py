"""Set-up: every source with the address to paste and a test button, and what `reopener check` finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from service.alerts.asked import NO_CHANNEL
from service.alerts.sending import try_all
from service.alerts.transitions import known_from
from service.asking import Unclear, id_of
from service.check import check
from service.dashboard.door import by
from service.dashboard.door import field as sent
from service.dashboard.rendering import render
from service.domain.errors import Conflict
from service.sources import KINDS, CannotSign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from service.check.finding import Finding
    from service.clock import Clock
    from service.ledger import Ledger
    from service.settings import Settings, SourceSettings

CHECKED_SECONDS = 60.0
"""How long findings are shown before they are looked for again."""
SAMPLE_SECONDS = 5.0
LONGEST_MESSAGE = 2_000


@dataclass(slots=True)
class _Checked:
    at: float | None = None
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class SetupPages:
    ledger: Ledger
    settings: Settings
    clock: Clock
    checked: _Checked = field(default_factory=_Checked)

    async def show(self, request: Request) -> Response:
        return await self._page(request)

    async def test(self, request: Request) -> Response:
        """Send a signed sample through the front door of this very receiver."""
        source = self.settings.sources.get(request.path_params["source"])
        if source is None:
            raise Conflict("there is no such source in the settings of this receiver")
        sample = {
            "event_id": f"test-{uuid4().hex}",
            "ticket_id": sent(request, "ticket_id")[:100] or "test",
            "contact_id": _maybe_id(request, "contact_id"),
            "thread_id": _maybe_id(request, "thread_id"),
            "message": sent(request, "message")[:LONGEST_MESSAGE] or "A test of the webhook.",
        }
        told = await self._sent(request, source, sample)
        await self.ledger.audit.note(by(request), "test", source.name)
        return await self._page(request, tested=source.name, told=told)

    async def test_alerts(self, request: Request) -> Response:
        if not self.settings.alerts.channels:
            raise Conflict(NO_CHANNEL)
        tried = await try_all(self.settings.alerts, self.clock.now_ms())
        await self.ledger.audit.note(by(request), "test alerts", ", ".join(tried))
        return await self._page(request, tried=tried)

    async def _page(
        self,
        request: Request,
        *,
        tested: str = "",
        told: dict[str, Any] | None = None,
        tried: dict[str, str | None] | None = None,
    ) -> Response:
        _, known = await self.ledger.alerts.known()
        return render(
            request,
            "setup.html",
            title="Set-up",
            origin=str(request.base_url).rstrip("/"),
            sources=list(self.settings.sources.values()),
            heard_ms=await self.ledger.series.heard_ms(),
            findings=await self._findings(),
            tested=tested,
            told=told,
            channels=[channel.name for channel in self.settings.alerts.channels],
            firing=[alert for alert in known_from(known).values() if alert.fired_ms],
            sendings=await self.ledger.alerts.latest(),
            tried=tried,
        )

    async def _sent(self, request: Request, source: SourceSettings, sample: dict[str, Any]) -> dict[str, Any]:
        host, port = request.scope.get("server") or ("127.0.0.1", self.settings.port)
        origin = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        try:
            made = KINDS[source.kind].sample(
                source, url=f"{origin}/webhooks/{source.name}", now=self.clock.now(), **sample
            )
        except CannotSign as fault:
            return {"status": None, "text": f"{fault}. Send one from the helpdesk, or use reopener send."}
        try:
            async with httpx.AsyncClient(timeout=SAMPLE_SECONDS, trust_env=False) as client:
                answer = await client.post(made.url, content=made.body, headers=dict(made.headers))
        except httpx.HTTPError as error:
            return {"status": None, "text": f"The front door did not answer ({type(error).__name__})."}
        return {"status": answer.status_code, "text": answer.text[:500], "reopen_id": _reopen_id(answer)}

    async def _findings(self) -> Sequence[Finding]:
        now = self.clock.monotonic()
        if self.checked.at is None or now - self.checked.at > CHECKED_SECONDS:
            found = await check(self.settings, clock=self.clock)
            self.checked.at, self.checked.findings = (
                now,
                [finding for finding in found if finding.code != "acquire_missing"],
            )
        return self.checked.findings


def _maybe_id(request: Request, name: str) -> int | None:
    told = sent(request, name)
    try:
        return id_of({name: told}, name) if told else None
    except Unclear as unclear:
        raise Conflict(unclear.message.rstrip(".")) from None


def _reopen_id(answer: httpx.Response) -> str | None:
    try:
        told = answer.json()
    except ValueError:
        return None
    reopen_id = told.get("reopen_id") if isinstance(told, dict) else None
    return reopen_id if isinstance(reopen_id, str) else None
