"""A real worker process under RQ's commands, and with strangers' jobs in its queue."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest
from rq import Queue
from rq.command import send_stop_job_command
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from bench import backlog, stack
from service.connections import async_client
from service.ledger.crew import Crew, Crews
from service.queue import Bells


def _until(holds, what):
    stack.until(holds, what, limit_seconds=20)


def _calls(stand_in):
    return stand_in.told().calls


def _queue(client):
    return Queue("reopener", connection=client, serializer=JSONSerializer)


def test_rq_sees_the_worker(client, redis_url, stand_in, start):
    """`rq info` names our queue and worker, and the worker's executions are there while calls are out."""
    stand_in.control(delay=1)
    backlog.admit(redis_url, 3)
    start()
    _until(lambda: _queue(client).started_job_registry.count == 3, "three executions")
    _until(lambda: {w.get_state() for w in BaseWorker.all(connection=client)} == {"busy"}, "RQ is told")
    (worker,) = BaseWorker.all(connection=client)
    assert len(worker.get_current_executions()) == 3
    told = subprocess.run(
        [sys.executable, "-m", "rq.cli", "info", "--url", redis_url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "reopener" in told
    assert "1 workers" in told
    _until(lambda: backlog.ended(client) == 3, "all are done")
    _until(lambda: not client.keys("rq:execution*"), "the books are closed")
    assert _queue(client).failed_job_registry.count == 0


def test_what_all_workers_may_hold_adds_up(client, redis_url, start):
    """The concurrency of every worker that lives counts, and of none that has gone."""

    async def crew():
        connection = async_client(redis_url)
        try:
            return await Crews(connection, Bells(client)).crew()
        finally:
            await connection.aclose()

    start(concurrency=4)
    second = start(concurrency=3)
    _until(lambda: asyncio.run(crew()) == Crew(workers=2, concurrency=7), "two workers stand")
    second.terminate()
    second.wait(20)
    assert asyncio.run(crew()) == Crew(workers=1, concurrency=4)


def test_suspend_and_resume(client, redis_url, stand_in, start):
    """While workers are suspended nothing is popped; resumed, they go on."""
    start()
    _until(lambda: client.scard("rq:workers:reopener") == 1, "a worker stands")
    client.set("rq:suspended", 1)
    _until(lambda: {w.get_state() for w in BaseWorker.all(connection=client)} == {"suspended"}, "suspended")
    backlog.admit(redis_url, 2)
    time.sleep(0.7)
    assert client.llen("rq:queue:reopener") == 2
    assert _calls(stand_in) == 0
    client.delete("rq:suspended")
    _until(lambda: backlog.ended(client) == 2, "all are done")


def test_stop_job(client, redis_url, stand_in, start):
    """RQ's stop command ends any of the executions; its thread is worked again and nothing is doubled."""
    stand_in.control(delay=1.5)
    backlog.admit(redis_url, 2)
    start()
    registry = _queue(client).started_job_registry
    _until(lambda: registry.count == 2, "two executions")
    stopped = registry.get_job_ids()[1]
    send_stop_job_command(client, stopped, serializer=JSONSerializer)
    _until(lambda: registry.count == 1, "one is stopped")
    assert Job.fetch(stopped, client, JSONSerializer).get_status() == "stopped"
    stand_in.control(delay=0)
    _until(lambda: backlog.ended(client) == 2, "both are done")
    assert stand_in.told().doubled == 0


def test_strangers_jobs_are_failed(client, redis_url, start):
    """What is no bell is failed, in RQ's registry with why; the worker lives and works on."""
    pickled = Queue("reopener", connection=client).enqueue("os.getcwd")
    strange = _queue(client).enqueue("os.getcwd")
    shaped = _queue(client).enqueue("workers.jobs.ring", "only a name")
    named = _queue(client).enqueue("os.getcwd", job_id="1-abcdef-12345678")  # as a new reopen's bell
    client.rpush("rq:queue:reopener", "no-such-job")
    client.hset("rq:job:nonsense", "data", "none")
    client.rpush("rq:queue:reopener", "nonsense")
    backlog.admit(redis_url, 1)
    worker = start()
    _until(lambda: backlog.ended(client) == 1, "ours is done")
    assert worker.poll() is None
    failed = _queue(client).failed_job_registry.get_job_ids()
    assert {pickled.id, strange.id, shaped.id, named.id} <= set(failed)
    assert (
        "not a job of this service"
        in Job.fetch(strange.id, client, JSONSerializer).latest_result().exc_string
    )
    _until(lambda: client.llen("rq:queue:reopener:intermediate") == 0, "nothing is stuck")


def test_newer_records_are_left_to_newer_workers(client, redis_url, start):
    """During a deploy an old worker leaves records that say a newer version, and works the others."""
    backlog.admit(redis_url, 2)
    newer = f"reopener:r:{backlog.reopen_id('desk', 'event-0')}"
    client.hset(newer, "version", 99)
    start()
    _until(lambda: backlog.ended(client) == 1, "the old one is done")
    assert client.hget(newer, "status") == b"queued"
    client.hset(newer, "version", 1)
    client.zadd("reopener:due", {str(backlog.FIRST_THREAD): 0})
    _until(lambda: backlog.ended(client) == 2, "the other as well, once it is for us")


def test_a_refused_key(client, redis_url, stand_in, start):
    """A refused key stops everything after the calls in flight, is probed by one thread at a time, and work
    goes on by itself when the key works again; nothing of it is an attempt.
    """
    stand_in.control(mode="401")
    backlog.admit(redis_url, 12)
    start(concurrency=3)
    _until(lambda: client.hget("reopener:breaker", "why") == b"credentials_refused", "the key is refused")
    _until(lambda: client.llen("rq:queue:reopener") == 0, "the other bells are heard")
    _until(lambda: client.hlen("reopener:leases") == 0, "nothing is in work")
    before = _calls(stand_in)
    assert before <= 3 * 2
    _pause_is_over(client)
    _until(lambda: _calls(stand_in) > before, "a probe")
    _until(lambda: client.hlen("reopener:leases") == 0, "it is over")
    assert _calls(stand_in) == before + 2
    stand_in.control(mode="ok")
    _pause_is_over(client)
    _until(lambda: backlog.ended(client) == 12, "all are done")
    assert backlog.attempts(client) == (0, 12)


def test_acquire_goes_away_and_comes_back(client, redis_url, stand_in, start):
    """While Acquire fails it is left alone but for single probes; then all is done, with no attempt spent."""
    stand_in.control(mode="503")
    backlog.admit(redis_url, 30)
    start(concurrency=4)
    _until(lambda: client.hget("reopener:breaker", "opened") == b"3", "the third pause")
    assert _calls(stand_in) < 40
    stand_in.control(mode="ok")
    _until(lambda: backlog.ended(client) == 30, "all are done")
    assert client.hget("reopener:breaker", "why") == b""
    assert backlog.attempts(client) == (0, 30)


def test_a_retry_after_is_a_pause_for_everyone(client, redis_url, stand_in, start):
    """Where Acquire asks for a pause, every worker leaves it alone for that long and spends no attempt; calls
    then come back gradually.
    """
    stand_in.control(mode="429")
    backlog.admit(redis_url, 30)
    start(concurrency=4)
    start(concurrency=4)
    _until(lambda: client.hget("reopener:breaker", "why") == b"throttled", "the pause is noted")
    _until(lambda: client.llen("rq:queue:reopener") == 0, "the other bells are heard")
    _until(lambda: client.hlen("reopener:leases") == 0, "nothing is in work")
    assert _calls(stand_in) <= 2 * 4 * 2
    left_ms = int(client.hget("reopener:breaker", "until_ms")) - client.time()[0] * 1000
    assert 20_000 < left_ms <= 31_000
    stand_in.control(mode="ok", reset=1)
    client.zadd("reopener:due", dict.fromkeys(client.zrange("reopener:due", 0, -1), 1))
    for reopen in client.scan_iter("reopener:r:*"):
        client.hset(reopen, "next_ms", "1")
    _pause_is_over(client)
    _until(lambda: backlog.ended(client) == 30, "all are done")
    assert backlog.attempts(client) == (0, 30)
    at = stand_in.told().at
    assert sum(each < at[0] + 0.5 for each in at) <= 8 + 16, "a few at first"


def test_bells_of_newer_versions_are_left_to_them(client, redis_url, start):
    """During a deploy an old worker leaves a bell that says a newer version, and rings for itself later."""
    bell = Bells(client).bell("1000")
    job = dict(zip(bell.fields[::2], bell.fields[1::2], strict=True))
    told = json.loads(job["data"])
    job["data"] = json.dumps([*told[:2], ["1000", bell.id, 99], *told[3:]])
    client.hset(bell.job_key, mapping=job)
    client.rpush(bell.queue_key, bell.id)
    start()
    _until(lambda: client.llen(bell.queue_key) == 0, "the bell is taken")
    _until(lambda: client.llen("rq:queue:reopener:intermediate") == 0, "and left alone")
    assert client.exists(bell.job_key)
    assert _queue(client).failed_job_registry.count == 0
    backlog.admit(redis_url, 1)
    _until(lambda: backlog.ended(client) == 1, "what it knows is done")


def _pause_is_over(client):
    client.hset("reopener:breaker", "until_ms", 1)


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "redis://nowhere.invalid/0"])
def test_a_redis_that_is_away_at_the_start_is_told_in_a_sentence(start, worker_log, address):
    """A worker that finds no Redis when it starts ends with status 1, and says what to mend and no more."""
    assert start(on=address).wait(20) == 1
    told = [line for line in worker_log.read_text("utf-8").splitlines() if not line.startswith("{")]
    (sentence,) = told
    assert '"worker.left"' in worker_log.read_text("utf-8"), (
        "the interpreter was taken apart under the engine"
    )
    assert sentence.startswith("reopener: Redis does not answer: ")
    assert sentence.endswith("Start it, or correct REDIS_URL.")


def test_a_redis_that_refuses_at_the_start_is_told_in_a_sentence(start, worker_log, redis_url, client):
    """A worker whose user may do nothing ends with status 1, and says so and what to mend."""
    client.acl_setuser("nobody", enabled=True, nopass=True, commands=["-@all", "+@connection"])
    address = redis_url.replace("unix://", "unix://nobody:any@")
    assert start(on=address).wait(20) == 1
    client.acl_deluser("nobody")
    told = [line for line in worker_log.read_text("utf-8").splitlines() if not line.startswith("{")]
    (sentence,) = told
    assert sentence.startswith("reopener: Redis refuses us: ")
    assert sentence.endswith("Correct REDIS_URL, or what Redis permits that user.")
