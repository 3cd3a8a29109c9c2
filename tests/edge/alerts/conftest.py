"""A channel, and a Redis that knows no workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
import redis.asyncio
from starlette.applications import Starlette
from starlette.routing import Route

from tests.edge.alerts.hooked import SECRET, Hook
from tests.running import served


@pytest.fixture
def hook() -> Iterator[Hook]:
    told = Hook()
    with served(Starlette(routes=[Route("/hook/{secret}", told.post, methods=["POST"])])) as origin:
        told.address = f"{origin}/hook/{SECRET}"
        yield told


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("reopener:account", "keeps_answers", "1")
        yield client
