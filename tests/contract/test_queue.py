"""Our own scripts push RQ's jobs: they leave what RQ's `enqueue` leaves, and any RQ worker does them."""

from __future__ import annotations

import os
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from service.queue import (
    FAILED_JOB_SECONDS,
    JOB_FUNCTION,
    JOB_TIMEOUT_SECONDS,
    JOB_VERSION,
    QUEUE_NAME,
    Bells,
    ring_of,
    ring_told_by,
    written_now,
)
from tests import running
from tests.running import Site, Whole, reply

TIMES = {"created_at", "enqueued_at"}


def test_the_dotted_path_is_wire_format():
    """Jobs written by one version are run by another: the path of what they call never changes."""
    assert (QUEUE_NAME, JOB_FUNCTION) == ("reopener", "workers.jobs.ring")
    module, _, name = JOB_FUNCTION.rpartition(".")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("micros", [0, 7, 123_456])
def test_a_moment_is_written_as_rq_writes_it(monkeypatch: pytest.MonkeyPatch, micros: int):
    """A job is dated without RQ's own function, to the letter as that would."""
    moment = now().replace(microsecond=micros)
    monkeypatch.setattr("service.queue.now", lambda: moment)
    assert written_now() == utcformat(moment)


def kept(connection: Redis, job: Job) -> dict[str, tuple[str, object]]:
    """All of RQ's keys with their types and contents; the job's id is written `JOB`."""

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.replace(job.id.encode(), b"JOB")
        if isinstance(value, dict):
            return {plain(key): plain(inner) for key, inner in value.items()}
        return (
            {plain(inner) for inner in value} if isinstance(value, set) else [plain(inner) for inner in value]
        )

    read = {
        b"hash": connection.hgetall,
        b"set": connection.smembers,
        b"list": lambda key: connection.lrange(key, 0, -1),
    }
    told = {}
    for key in connection.keys("rq:*"):
        kind = connection.type(key)
        assert connection.ttl(key) == -1
        told[plain(key).decode()] = (kind.decode(), plain(read[kind](key)))
    return told


def test_our_job_is_what_rq_would_have_written(site: Site):
    """Key by key and field by field, what an accepted event leaves is what RQ's own `enqueue` leaves."""
    site.deliver()
    [key] = site.redis.keys("rq:job:*")
    ours = Job.fetch(key.decode().removeprefix("rq:job:"), site.redis, serializer=JSONSerializer)
    by_us = kept(site.redis, ours)
    site.redis.flushdb()
    queue = Queue(QUEUE_NAME, connection=site.redis, serializer=JSONSerializer)
    theirs = queue.enqueue(
        JOB_FUNCTION,
        *ours.args,
        job_id=ours.id,
        job_timeout=JOB_TIMEOUT_SECONDS,
        result_ttl=0,
        failure_ttl=FAILED_JOB_SECONDS,
        description=ours.description,
    )
    by_rq = kept(site.redis, theirs)
    assert by_us.keys() == by_rq.keys()
    (_, our_fields), (_, their_fields) = by_us.pop("rq:job:JOB"), by_rq.pop("rq:job:JOB")
    assert by_us == by_rq
    assert our_fields.keys() == their_fields.keys()
    differing = {name.decode() for name in our_fields if our_fields[name] != their_fields[name]}
    assert differing - {"data"} <= TIMES, "only times, and RQ's compression of the data, may differ"
    again = Job.fetch(theirs.id, site.redis, serializer=JSONSerializer)
    assert (ours.func_name, ours.args, ours.kwargs) == (again.func_name, again.args, again.kwargs)
    assert (ours.created_at <= again.created_at, ours.get_status(refresh=False)) == (True, again.get_status())


def test_the_id_of_a_new_reopens_bell_tells_what_its_job_does(site: Site):
    """A worker that knows the id alone answers the bell as it would with the job; other ids tell nothing."""
    reopen_id = site.deliver().json()["reopen_id"]
    [key] = site.redis.keys("rq:job:*")
    job = Job.fetch(key.decode().removeprefix("rq:job:"), site.redis, serializer=JSONSerializer)
    told = ring_told_by(job.id)
    assert told == ring_of(job)
    assert told is not None
    assert told.name == reopen_id
    newer = job.id.replace(f"{JOB_VERSION}-", f"{JOB_VERSION + 1}-", 1)
    bells = Bells(Redis())
    for other in (
        newer,
        bells.bell(reopen_id).id,
        bells.bell("k:support:1-ab-c", "backlog").id,
        "1-Ab-c",
        "",
    ):
        assert ring_told_by(other) is None


def test_a_job_carries_no_customer_data(site: Site):
    """What RQ's dashboards print unescaped holds ids of ours and nothing of the customer."""
    ids = {"contact_id": 597752597752, "thread_id": 168316831683}  # longer than chance puts into a job's id
    body = reply(ticket_id="<b>ticket</b>", customer_email="a@b.example", message="<script>", **ids)
    site.deliver(body, event_id="msg_of_nobody")
    [key] = site.redis.keys("rq:job:*")
    told = b" ".join(site.redis.hgetall(key).values())
    for secret in (b"ticket<", b"<b>", b"a@b", b"script", b"597752597752", b"168316831683", b"msg_of_nobody"):
        assert secret not in told


def test_a_box_named_for_a_ticket_is_harmless():
    """Where a bell is for a ticket whose thread is unknown, its description holds no mark-up."""
    fields = Bells(Redis()).bell("k:support:<script>é").fields
    assert fields[fields.index("description") + 1] == "reopen k:support:?script??"


def test_a_stock_worker_does_our_jobs(redis_url: str, tmp_path: Path):
    """`rq worker`, as RQ ships it, brings an accepted event to a case in Acquire; no job fails."""
    with running.sandbox(tmp_path) as acquire:
        variables = running.environment(tmp_path, redis_url, **running.account_on(acquire))
        with running.site_on(variables) as site:
            reopen_id = site.deliver().json()["reopen_id"]
            done = subprocess.run(
                [
                    *(running.script("rq"), "worker", "--burst", "--url", redis_url),
                    *("--serializer", "rq.serializers.JSONSerializer", QUEUE_NAME),
                ],
                cwd=running.ROOT,
                env={**variables, "PYTHONPATH": str(running.ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert site.reopen(reopen_id)["status"] == "reopened", done.stderr
            assert site.stats()["queue_depth"] == 0
            assert not site.redis.exists(f"rq:failed:{QUEUE_NAME}")


def test_rq_info_sees_queue_and_worker(whole: Whole):
    """`rq info` tells our queue and our worker like any other."""
    running.until(lambda: whole.stats()["workers"])
    whole.until(whole.deliver().json()["reopen_id"], "reopened")
    told = subprocess.run(
        [running.script("rq"), "info", "--raw", "--url", whole.environment["REDIS_URL"]],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert f"queue {QUEUE_NAME} 0" in told
    assert "worker " in told
