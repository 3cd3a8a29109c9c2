"""An engine that does as it is told, bells, and a Redis that goes away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from service.queue import Bells, Lane
from tests.redises import free_port
from workers.pool import ConcurrentWorker
from workers.popping import Dropped, Popped


class Engine:
    """Answers what it pops as it is told: bells, or an error."""

    def __init__(self) -> None:
        self.is_alive = True
        self.connection = Mock()
        self.pops: list[Callable[[], list[Popped | Dropped]]] = []
        self.submit = Mock()
        self.take_no_more = Mock()
        self.drain = Mock()

    def do(self, popping: Any) -> list[Popped | Dropped]:
        popping.close()
        return self.pops.pop(0)()


def goes_away(worker: ConcurrentWorker) -> None:
    """From now on nothing answers at its Redis' address."""
    worker.connection.connection_pool = redis.ConnectionPool(port=free_port(), retry=Retry(NoBackoff(), 0))


def bell(client: redis.Redis, lane: Lane = "live") -> Popped:
    told = Bells(client).bell("1000", lane)
    client.hset(told.job_key, items=list(told.fields))
    return Popped(Job.fetch(told.id, client, JSONSerializer), lane, Future())


def away() -> list[Popped | Dropped]:
    raise redis.ConnectionError("away")


STEPS = ("suspension", "maintenance", "state", "drop", "pop", "teardown")


def steps(caplog: pytest.LogCaptureFixture) -> list[str]:
    """At which steps Redis was found to be away."""
    records = [each for each in caplog.records if each.message == "worker.redis_away"]
    return [next(step for step in STEPS if f"'step': '{step}'" in repr(vars(each))) for each in records]
