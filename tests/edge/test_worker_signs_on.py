"""A worker's registration with RQ, where RQ's keys may be flushed at any moment."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import redis
from rq import Worker

from workers.pool import SUSPENSION_SECONDS, ConcurrentWorker

FLUSHES = 200


@pytest.fixture
def worker(redis_url):
    seconds = itertools.count(step=SUSPENSION_SECONDS)
    with redis.Redis.from_url(redis_url) as client:
        yield ConcurrentWorker(
            client,
            engine=SimpleNamespace(connection=Mock()),
            clock=SimpleNamespace(monotonic=lambda: next(seconds)),
            name="w1",
            concurrency=1,
            leaving=SimpleNamespace(),
        )


def test_signs_on_anew_while_its_books_are_written(worker, redis_url):
    """Flushed RQ keys are made anew while the bookkeeper counts in them; the worker goes on."""
    ended = threading.Event()

    def count():
        with redis.Redis.from_url(redis_url) as client:
            while not ended.is_set():
                client.hincrby(worker.key, "successful_job_count", 1)

    counting = threading.Thread(target=count)
    counting.start()
    try:
        for _ in range(FLUSHES):
            worker.connection.flushdb()
            worker.check_for_suspension(burst=False)
            assert [each.name for each in Worker.all(connection=worker.connection)] == ["w1"]
    finally:
        ended.set()
        counting.join()
