"""What machines ask without a token: alive, ready to take a webhook, and what the API is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from starlette.responses import JSONResponse
from starlette.routing import Route

from service import openapi
from service.answers import error
from service.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from service.intake.spool import SpoolOf
    from service.ledger.scripts import Scripts

READY_SECONDS = 1.9


def routes(scripts: Scripts, spool: SpoolOf) -> list[Route]:
    """`/healthz`, `/readyz` and `/openapi.json`. With room in the spool a webhook is taken without Redis."""

    async def ready(_: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await scripts.ping()
        except (LedgerUnavailable, RedisError, TimeoutError):
            state = spool()
            if state is not None and state.has_room:
                return JSONResponse({"status": "ready", "redis": "away", "spooled": state.deliveries})
            return error(
                503,
                "not_ready",
                "Redis takes no writes now, or not ours, or does not confirm them as [redis] asks.",
            )
        return JSONResponse({"status": "ready"})

    return [Route("/healthz", _alive), Route("/readyz", ready), Route("/openapi.json", _openapi)]


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi.DOCUMENT)
