"""Answers of Acquire that are larger than a worker reads: cut, and no longer taken at their word."""

from __future__ import annotations

import json

import pytest

from bench import backlog, stack
from service.ledger.codec import archived_fields

KEY = f"reopener:r:{backlog.reopen_id('desk', 'event-0')}"


@pytest.fixture(autouse=True)
def one_waits(redis_url):
    backlog.admit(redis_url, 1)


def _until(holds, what):
    stack.until(holds, what, limit_seconds=20)


def _all_done(client):
    return backlog.ended(client) == 1


def test_a_look_that_is_too_large_concludes_nothing(client, stand_in, start):
    """Where what Acquire shows is over 8 MiB, nothing is sent and no attempt spent; a later look does it."""
    stand_in.control(mode="large")
    start()
    _until(lambda: int(client.hget(KEY, "waits") or 0) >= 2, "two looks came to nothing")
    record = client.hgetall(KEY)
    assert record[b"reason"] == b"read_failed"
    assert b"larger than 8 MiB" in record[b"detail"]
    assert json.loads(record[b"attempts"]) == []
    assert stand_in.told().threads == 0
    stand_in.control(mode="ok")
    _until(lambda: _all_done(client), "it is reopened")
    assert backlog.attempts(client) == (0, 1)
    assert stand_in.told().threads == 1


def test_an_answer_to_a_call_that_is_too_large_is_unknown(client, stand_in, start):
    """What came of a call whose answer is over 1 MiB is found by a look, and nothing is sent twice."""
    stand_in.control(mode="large_create")
    start()
    _until(lambda: _all_done(client), "what came of it is adopted")
    (key,) = client.scan_iter("reopener:d:*")
    fields = archived_fields("", client.get(key))
    assert fields["status"] == "reopened"
    (attempt,) = json.loads(fields["attempts"])
    assert attempt["outcome"] == "adopted"
    told = stand_in.told()
    assert (told.threads, told.doubled) == (1, 0)
    assert told.calls > 3, "a look came after the call"
