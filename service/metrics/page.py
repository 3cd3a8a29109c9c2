"""`/metrics`, without a token. Where Redis is away the scrape still answers, and says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from starlette.responses import Response
from starlette.routing import Route

from service.domain.errors import LedgerUnavailable
from service.metrics.account import AccountMetrics, Figures
from service.watch import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from service.clock import Clock
    from service.ledger import Ledger
    from service.metrics.receiver import ReceiverMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def routes(
    ledger: Ledger, receiver_metrics: ReceiverMetrics, clock: Clock, sources: Sequence[str]
) -> list[Route]:
    async def metrics(_: Request) -> Response:
        registry = CollectorRegistry()
        registry.register(AccountMetrics(await _figures(ledger, clock, sources)))
        body = generate_latest(receiver_metrics.registry) + generate_latest(registry)
        return Response(body, headers={"content-type": CONTENT_TYPE})

    return [Route("/metrics", metrics)]


async def _figures(ledger: Ledger, clock: Clock, sources: Sequence[str]) -> Figures | None:
    """None where Redis is away."""
    started = clock.monotonic()
    try:
        await ledger.scripts.ping()
        ping_seconds = clock.monotonic() - started
        seen, counts, flow, bulks = await asyncio.gather(
            look(ledger, clock.now_ms()), ledger.tallies.read(), ledger.flows.flow(), ledger.bulks.latest()
        )
    except LedgerUnavailable:
        return None
    return Figures(tuple(sources), seen, counts, flow, sum(bulk.left for bulk in bulks), ping_seconds)
