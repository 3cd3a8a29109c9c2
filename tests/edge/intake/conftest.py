"""Redis as a receiver asks it: somebody waits for the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from service.connections import async_client


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = async_client(redis_url, for_answers=True)
    yield client
    await client.aclose()
