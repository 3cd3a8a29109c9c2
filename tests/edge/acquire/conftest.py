"""An Acquire that does as it is told, byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.domain.ports import Acquire
from tests.edge.acquire.scripted import Scripted, client, scripted


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        yield server


@pytest.fixture
async def acquire(server: Scripted) -> AsyncIterator[Acquire]:
    acquire = client(server, timeout_seconds=1)
    yield acquire.session()
    await acquire.aclose()
