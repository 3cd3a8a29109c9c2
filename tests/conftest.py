"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TypeVar

import pytest
import redis
import redis.asyncio
from hypothesis import settings

from service.clock import SystemClock
from service.connections import async_client
from service.domain.reopens import Policy
from service.embedded import EmbeddedRedis
from service.ledger import Ledger, open_ledger
from service.queue import Bells
from tests import running

# A busy machine is no fault of an example's.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A real Redis for the whole session, on a socket of its own. Tests that kill one start their own."""
    server = EmbeddedRedis.start(tmp_path_factory.mktemp("data"), clock=SystemClock())
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The address of an empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    return redis_server.url


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = async_client(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def ledger(connection: redis.asyncio.Redis) -> Ledger:
    """The ledger on an empty Redis."""
    return open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())


@pytest.fixture(scope="session")
def served_site(
    redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[running.Site]:
    with running.site_on(running.environment(tmp_path_factory.mktemp("site"), redis_server.url)) as site:
        yield site


@pytest.fixture
def site(served_site: running.Site, redis_url: str) -> running.Site:
    """The receiver, the API and the pages on an empty Redis; no workers, so that everything stays queued."""
    return served_site


@pytest.fixture(scope="session")
def served_whole(
    redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[running.Whole]:
    with running.whole_on(tmp_path_factory.mktemp("whole"), f"{redis_server.url}?db=1") as whole:
        yield whole


@pytest.fixture
def whole(served_whole: running.Whole) -> running.Whole:
    """A site with a worker process and the sandbox, all of them empty."""
    served_whole.empty()
    return served_whole


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _skipped_is_failed((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _skipped_is_failed((yield))


def _skipped_is_failed(report: Report) -> Report:
    """Where CI is set, everything must run."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
