"""Fixtures of the tests that run the whole service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.embedded import EmbeddedRedis
from tests.system.desk import Desk, desk_on


@pytest.fixture(scope="session")
def desk(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Receiver, worker and sandbox with a source of every kind. It is shared: take threads of your own."""
    with desk_on(tmp_path_factory.mktemp("desk"), f"{redis_server.url}?db=2") as desk:
        yield desk
