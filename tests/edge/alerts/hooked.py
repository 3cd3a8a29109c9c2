"""A channel that takes alerts, and what is told through it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.alerts.transitions import Notice
from service.settings import AlertSettings, Channel, Secret
from tests.running import CONFIG, environment

SECRET = "opens-the-channel-0123456789"


@dataclass(slots=True)
class Hook:
    """A web server that takes messages, refuses them, or says nothing for long."""

    address: str = ""
    mode: str = "take"
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    refused: int = 0

    async def post(self, request: Request) -> Response:
        self.asked += 1
        while self.mode == "hang":  # noqa: ASYNC110 - a test in another loop changes it
            await asyncio.sleep(0.05)
        if self.mode == "refuse":
            self.refused += 1
            return JSONResponse({"token": SECRET}, status_code=500)
        self.taken.append(await request.json())
        return Response(status_code=204)


def channels(*addresses: str) -> AlertSettings:
    named = [Channel(f"ALERTS_{number}", Secret(each)) for number, each in enumerate(addresses)]
    return AlertSettings(tuple(named), dashboard_url="https://reopener.example.com")


def notice(**more: object) -> Notice:
    told = {"id": "died-1-firing", "state": "firing", "slug": "died", "subject": "", "title": "2 died"}
    return Notice(**{**told, "mend": "Retry them.", "link": "/reopens?status=dead", "at_ms": 0, **more})


def configured(folder: Path, redis_url: str, hook: Hook) -> dict[str, str]:
    config = f'{CONFIG}\n[alerts]\nurl_envs = ["ALERTS_HOOK"]\n'
    return environment(folder, redis_url, config=config, ALERTS_HOOK=hook.address)
