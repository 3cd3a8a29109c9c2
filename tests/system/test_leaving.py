"""A worker that is asked to stop: what is in flight ends, the rest is handed back, and it ends in time.

Times are the worker's own: what it logs of the seconds since the signal.
"""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
import redis
from rq.command import send_shutdown_command

from bench import backlog, stack
from service.clock import SystemClock
from service.embedded import EmbeddedRedis
from tests.system.conftest import CALL_TIMEOUT_SECONDS

LONGEST_SECONDS = CALL_TIMEOUT_SECONDS + 1
PATIENCE_SECONDS = 30.0


def _until(holds, what):
    stack.until(holds, what, limit_seconds=20)


def _calls(stand_in):
    return stand_in.told().calls


def _stopped(worker, log, number=signal.SIGTERM):
    """Ask it to stop; the event it took leave with."""
    worker.send_signal(number)
    assert worker.wait(PATIENCE_SECONDS) == 0
    (left,) = [told for told in _events(log) if told["event"] in {"worker.left", "worker.left_in_haste"}]
    assert left["seconds"] < LONGEST_SECONDS
    return left


def _events(log):
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_idle(client, start, worker_log, number):
    """An idle worker ends at once, with status 0, and signs off, whichever signal asks for it."""
    worker = start()
    _until(lambda: client.scard("rq:workers:reopener") == 1, "a worker stands")
    left = _stopped(worker, worker_log, number)
    assert left["event"] == "worker.left"
    assert left["seconds"] < CALL_TIMEOUT_SECONDS
    assert client.scard("rq:workers:reopener") == 0
    assert not client.hgetall("reopener:sweepers")


def test_what_is_in_flight_is_finished(client, redis_url, stand_in, start, worker_log):
    """SIGTERM takes no new work, finishes what is in flight, and hands nothing over twice."""
    stand_in.control(delay=0.8)
    backlog.admit(redis_url, 8)
    worker = start(concurrency=4)
    _until(lambda: _calls(stand_in) >= 8, "four looks are out")
    assert _stopped(worker, worker_log)["event"] == "worker.left"
    assert backlog.ended(client) == 4
    assert stand_in.told().threads == 4
    start()
    _until(lambda: backlog.ended(client) == 8, "the next worker does the rest")
    assert stand_in.told().doubled == 0
    assert backlog.attempts(client)[0] == 0


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_acquire_does_not_come_to_an_end(client, redis_url, stand_in, start, worker_log, mode):
    """Where Acquire hangs, or drips an answer without an end, SIGTERM still ends the worker within the call
    time-out and a second, with status 0; what was out is handed back, is no attempt, and is done by the next.
    """
    stand_in.control(mode=mode)
    backlog.admit(redis_url, 6)
    worker = start(concurrency=3)
    _until(lambda: _calls(stand_in) >= 6, "three looks are out")
    assert _stopped(worker, worker_log)["event"] == "worker.left"
    assert not client.hgetall("reopener:leases")
    stand_in.control(mode="ok")
    client.hset("reopener:breaker", "until_ms", 1)
    start()
    _until(lambda: backlog.ended(client) == 6, "the next worker does all")
    assert backlog.attempts(client) == (0, 6)
    assert stand_in.told().doubled == 0


def test_a_call_that_hangs_after_the_look(client, redis_url, stand_in, start, worker_log):
    """A call that changes something and hangs is waited for until its own time-out, and is looked for by the
    next worker before anything is sent again.
    """
    stand_in.control(mode="hang_create")
    backlog.admit(redis_url, 1)
    worker = start()
    _until(lambda: _calls(stand_in) == 3, "the call is out")
    _stopped(worker, worker_log)
    record = client.hgetall(f"reopener:r:{backlog.reopen_id('desk', 'event-0')}")
    assert record[b"status"] == b"checking"
    assert [attempt["outcome"] for attempt in json.loads(record[b"attempts"])] == ["unknown"]
    assert not client.hgetall("reopener:leases")
    stand_in.control(mode="ok")
    start()
    _until(lambda: backlog.ended(client) == 1, "the next worker does it")
    assert stand_in.told().doubled == 0


def test_who_waits_for_the_rate_limit_is_handed_back_at_once(client, redis_url, stand_in, start, worker_log):
    """Places under the rate limit that lie seconds ahead are given up when the worker is asked to stop."""
    backlog.admit(redis_url, 40)
    worker = start(concurrency=32, rate_per_second=3)
    _until(lambda: client.hlen("reopener:leases") == 32, "all slots are taken")
    left = _stopped(worker, worker_log)
    assert left["seconds"] < CALL_TIMEOUT_SECONDS
    assert not client.hgetall("reopener:leases")
    assert backlog.attempts(client)[0] == 0


def test_redis_hangs(tmp_path, stand_in, start, worker_log):
    """Where Redis does not answer, nothing can be handed back: the worker ends in time, with status 0."""
    server = EmbeddedRedis.start(tmp_path / "hanging", clock=SystemClock())
    try:
        with redis.Redis.from_url(server.url) as client:
            worker = start(on=server.url)
            _until(lambda: client.scard("rq:workers:reopener") == 1, "a worker stands")
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(0.6)  # a pop that Redis got before is over
            assert _stopped(worker, worker_log)["event"] == "worker.left_in_haste"
        finally:
            os.kill(pid, signal.SIGCONT)
    finally:
        server.stop()


def test_redis_is_gone(tmp_path, start, worker_log):
    """Where Redis has died nobody can be signed off from: the worker ends in time as well, with status 0."""
    server = EmbeddedRedis.start(tmp_path / "gone", clock=SystemClock())
    try:
        with redis.Redis.from_url(server.url) as client:
            worker = start(on=server.url)
            _until(lambda: client.scard("rq:workers:reopener") == 1, "a worker stands")
    finally:
        server.stop()
    _until(lambda: any(told["event"] == "worker.redis_away" for told in _events(worker_log)), "it is missed")
    _stopped(worker, worker_log)


def test_rqs_shutdown_command(client, start, worker_log):
    """RQ's command is a signal like any other."""
    worker = start()
    _until(lambda: client.scard("rq:workers:reopener") == 1, "a worker stands")
    (key,) = client.smembers("rq:workers:reopener")
    name = key.decode().removeprefix("rq:worker:")

    def ends():
        send_shutdown_command(client, name)  # where it does not listen yet, nobody hears it
        return worker.poll() is not None

    _until(ends, "it ends")
    assert worker.returncode == 0
    assert [told["event"] for told in _events(worker_log)][-1] == "worker.left"


def test_deploys_under_load(client, redis_url, stand_in, start):
    """While events come in, the worker is replaced three times: none lost, none doubled, no attempt spent."""
    stand_in.control(delay=0.3)
    worker, admitted = start(concurrency=8), 0
    for _ in range(3):
        backlog.admit(redis_url, 20, first=admitted)
        admitted += 20
        _until(lambda: client.hlen("reopener:leases") >= 4, "it is at work")
        following = start(concurrency=8)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0
        worker = following
    _until(lambda: backlog.ended(client) == admitted, "all are done")
    assert (len(stand_in.told().order), stand_in.told().doubled) == (admitted, 0)
    assert backlog.attempts(client) == (0, admitted)
