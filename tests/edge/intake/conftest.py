"""Redis as a receiver asks it: somebody waits for the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from service.connections import async_client
from service.intake import commit, detour


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = async_client(redis_url, for_answers=True)
    yield client
    await client.aclose()


@pytest.fixture
def no_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is away when a test says so, and not because this machine is busy; it is asked again at once."""
    monkeypatch.setattr(commit, "PATIENCE_SECONDS", 10.0)
    monkeypatch.setattr(detour, "AGAIN_SECONDS", 0.005)
