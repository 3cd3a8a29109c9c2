"""The internals of RQ that workers/pool.py, books.py and popping.py lean on.

A failure here after an upgrade says what to look at again before the new release is taken.
"""

from __future__ import annotations

import inspect
import re
from concurrent.futures import Future

import pytest
import redis
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, SimpleWorker

from service.queue import QUEUE_NAME, Bells, Ring, ring_of
from workers import pool
from workers.books import Books, Running

SIGNATURES = {
    BaseWorker.dequeue_job_and_maintain_ttl: ["self", "timeout", "max_idle_time"],
    BaseWorker.execute_job: ["self", "job", "queue"],
    BaseWorker.cleanup_execution: ["self", "job", "pipeline", "execution"],
    BaseWorker.handle_job_failure: [
        "self",
        "job",
        "queue",
        "started_job_registry",
        "exc_string",
        "execution",
    ],
    BaseWorker.handle_payload: ["self", "message"],
    BaseWorker.check_for_suspension: ["self", "burst"],
    BaseWorker.heartbeat: ["self", "timeout", "pipeline"],
    BaseWorker.set_state: ["self", "state", "pipeline"],
    BaseWorker.serialize: ["self"],
    BaseWorker.request_stop: ["self", "signum", "frame"],
    BaseWorker.get_heartbeat_ttl: ["self", "job", "working_time"],
    Execution.create: ["job", "ttl", "pipeline", "worker_name"],
    Execution.heartbeat: ["self", "started_job_registry", "ttl", "pipeline"],
    Job.restore: ["self", "raw_data"],
    Job.key_for: ["job_id"],
    Job.prepare_for_execution: ["self", "worker_name", "pipeline"],
}


@pytest.mark.parametrize("method", SIGNATURES, ids=lambda method: method.__qualname__)
def test_signatures(method):
    """Every method that is called or overridden takes what we know of it."""
    assert list(inspect.signature(method).parameters) == SIGNATURES[method]


def test_the_loop_calls_in_this_order():
    """RQ's loop asks for a suspension, for a job, runs it, and takes leave in the end."""
    source = inspect.getsource(BaseWorker.work)
    order = [
        "self._install_signal_handlers()",
        "self.check_for_suspension(burst)",
        "self.run_maintenance_tasks()",
        "if self._stop_requested",
        "self.dequeue_job_and_maintain_ttl(timeout, max_idle_time)",
        "if result is None",
        "self.execute_job(job, queue)",
        "self.teardown()",
    ]
    places = [source.find(step) for step in order]
    assert -1 not in places
    assert places == sorted(places)


def test_stopping_is_a_flag():
    """RQ looks at `_stop_requested` also while it is suspended, so that our flag ends that wait."""
    assert "while not self._stop_requested and is_suspended" in inspect.getsource(
        BaseWorker.check_for_suspension
    )


def test_the_docstring_lists_what_is_leant_on():
    """Every RQ method that the pool overrides is named in its docstring, and exists in RQ."""
    own = {name for name, value in vars(pool.ConcurrentWorker).items() if inspect.isfunction(value)}
    overridden = {name for name in own if hasattr(BaseWorker, name)} - {"__init__"}
    assert overridden - {name for name in overridden if name in (pool.__doc__ or "")} == set()
    named = re.findall(
        r"\b([a-z_]{4,})\b", (pool.__doc__ or "").partition("BaseWorker  ")[2].partition("Queue")[0]
    )
    worker = BaseWorker.__new__(BaseWorker)
    attributes = set(dir(worker)) | set(re.findall(r"self\.(\w+)", inspect.getsource(BaseWorker.__init__)))
    assert set(named) <= attributes


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_registries_agree_with_rqs_own_worker(client):
    """A bell registered by us leaves the same keys and fields as one that RQ's own worker starts."""
    ours, theirs = _started_by_us(client), _started_by_rq(client)
    assert ours == theirs


def test_a_closed_bell_leaves_nothing(client):
    """An answered bell is gone from every registry, and counts as a success of its worker."""
    worker, queue, books = _worker(client)
    job = _bell(client, queue)
    running = Running(job, "live", _future(None))
    client.lmove(queue.key, queue.intermediate_queue_key)
    books.open([running])
    books.close([running])
    left = {key.decode() for key in client.keys("rq:*")}
    assert left == {"rq:queues", worker.key}
    assert client.hget(worker.key, "successful_job_count") == b"1"


def test_a_failed_bell_is_kept(client):
    """A bell that failed stands in RQ's failed registry with why."""
    _, queue, books = _worker(client)
    job = _bell(client, queue)
    running = Running(job, "live", _future(RuntimeError("boom")))
    books.open([running])
    books.close([running])
    assert queue.failed_job_registry.get_job_ids() == [job.id]
    assert "boom" in Job.fetch(job.id, client, JSONSerializer).latest_result().exc_string
    assert queue.started_job_registry.count == 0


def test_a_bell_says_its_version(client):
    """A bell's payload carries the version that may answer it; a newer one is not ours."""
    _, queue, _ = _worker(client)
    told = ring_of(_bell(client, queue))
    assert isinstance(told, Ring)
    assert told.is_known
    assert not Ring(told.name, told.bell, told.version + 1).is_known


def _started_by_us(client):
    client.flushall()
    worker, queue, books = _worker(client)
    job = _bell(client, queue)
    client.lmove(queue.key, queue.intermediate_queue_key)
    books.open([Running(job, "live", _future(None))])
    return _shape(client, worker, job)


def _started_by_rq(client):
    client.flushall()
    worker, queue, _ = _worker(client)
    job = _bell(client, queue)
    client.lmove(queue.key, queue.intermediate_queue_key)
    worker.prepare_execution(job)
    worker.prepare_job_execution(job, remove_from_intermediate_queue=True)
    client.hdel(worker.key, "last_heartbeat", "state")
    return _shape(client, worker, job)


def _shape(client, worker, job):
    """Keys and, of hashes, fields; ids that differ from run to run are evened out."""
    shape = {}
    for key in client.keys("rq:*"):
        name = key.decode().replace(job.id, "JOB").replace(worker.name, "WORKER")
        kind = client.type(key)
        name = re.sub(r"JOB:[0-9a-f]{32}", "JOB:EXECUTION", name)
        fields = sorted(client.hkeys(key)) if kind == b"hash" else []
        if name != "rq:worker:WORKER":
            shape[name] = (kind, fields, client.ttl(key) > 0)
    return shape


def _worker(client):
    worker = SimpleWorker([QUEUE_NAME], connection=client, name="w1", serializer=JSONSerializer)
    queue = worker.queues[0]
    return worker, queue, Books(worker, {"live": queue})


def _bell(client, queue):
    """A bell as our script pushes it."""
    bell = Bells(client).bell("reopen-1")
    client.sadd(bell.queues_key, bell.queue_key)
    client.hset(bell.job_key, items=list(bell.fields))
    client.rpush(bell.queue_key, bell.id)
    return Job.fetch(bell.id, client, JSONSerializer)


def _future(error):
    future = Future()
    if error is None:
        future.set_result(1)
    else:
        future.set_exception(error)
    return future
