"""RQ's own tools on our Redis: they see the queue, the worker and the jobs, and no customer's word.

They run on the RQ that they ask for (`rq-tools` in pyproject.toml), which is older than ours.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.running import Whole, process, reply, until

TOOLS = Path(sys.prefix) / "rq-tools"
WORDS = "PRIVATE-WORDS-OF-A-CUSTOMER"
QUEUES = ["reopener", "reopener-backlog"]
TICKET = "<script>alert('ticket')</script>"
EXPORTER = """
from wsgiref.simple_server import make_server
from rq_exporter.exporter import create_app
server = make_server("127.0.0.1", 0, create_app())
print(f"Running on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def busy(served_whole: Whole) -> Iterator[Whole]:
    """One job failed, one is started, two are queued, and one was finished; the worker stands still."""
    whole = served_whole
    whole.empty()
    until(lambda: whole.redis.scard("rq:workers:reopener"))
    Queue("reopener", connection=whole.redis, serializer=JSONSerializer).enqueue("os.getcwd")
    until(lambda: whole.redis.zcard("rq:failed:reopener"))
    whole.until(whole.deliver(event_id="done").json()["reopen_id"], "reopened")
    until(lambda: not whole.redis.keys("rq:execution*"))
    whole.faults({"kind": "delay", "rate": 1, "seconds": 1.5})
    said(whole, 1)
    until(lambda: whole.redis.keys("rq:execution*"))
    pid = int(worker(whole.redis)["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        for number in range(2, 5):  # its pop that is under way may still take one
            if whole.redis.llen("rq:queue:reopener") < 2:
                said(whole, number)
        yield whole
    finally:
        os.kill(pid, signal.SIGCONT)
        whole.faults()


def test_rq_info(busy: Whole):
    """`rq info` counts what is queued and names the worker."""
    told = tool("rq.cli", "info", "--url", busy.environment["REDIS_URL"], "--raw")
    assert "queue reopener 2, 1 executing, 0 finished, 1 failed" in told
    assert re.search(r"worker .* busy reopener, reopener-backlog. jobs: 1 finished, 1 failed", told), told
    assert not leaks(told)


def test_rq_exporter(busy: Whole, tmp_path: Path):
    """The exporter counts jobs by status, and what the worker finished and failed."""
    variables = environment(RQ_REDIS_URL=busy.environment["REDIS_URL"])
    with serving("-c", EXPORTER, variables=variables, log=tmp_path / "log") as client:
        told = client.get("/metrics").text
    samples = {
        (sample.name, sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.labels.get("queue", sample.labels.get("queues")) in {"reopener", ",".join(QUEUES)}
    }
    assert samples["rq_jobs", "queued"] == 2
    assert samples["rq_jobs", "started"] == 1
    assert samples["rq_jobs", "failed"] == 1
    assert samples["rq_workers_success_total", None] >= 1
    assert samples["rq_workers_failed_total", None] >= 1
    assert not leaks(told)


def test_rq_dashboard(busy: Whole, tmp_path: Path):
    """Its pages show the queue, the worker, and each job by its own page."""
    command = ("-m", "rq_dashboard", "--bind", "127.0.0.1", "--port", "0", "--json", "--verbose")
    command += ("--redis-url", busy.environment["REDIS_URL"])
    with serving(*command, variables=environment(), log=tmp_path / "log") as client:
        (queue,) = [
            each for each in client.get("/0/data/queues.json").json()["queues"] if each["name"] == "reopener"
        ]
        assert queue["count"] == 2
        assert queue["started_job_registry_count"] == 1
        assert queue["failed_job_registry_count"] == 1
        (shown,) = client.get("/0/data/workers.json").json()["workers"]
        assert shown["queues"] == QUEUES
        pages = [client.get("/0/view/queues").text, client.get("/0/view/workers").text]
        for registry, count in (("queued", 2), ("started", 1), ("failed", 1)):
            listed = client.get(f"/0/data/jobs/reopener/{registry}/8/asc/1.json")
            jobs = listed.json()["jobs"]
            assert len(jobs) == count, registry
            pages.append(listed.text)
            pages += [client.get(f"/0/data/job/{job['id']}.json").text for job in jobs]
    assert not any(leaks(page) for page in pages)


def said(whole: Whole, number: int) -> None:
    """A reply whose every field a customer could have written is one that must not show."""
    body = reply(thread_id=3000 + number, ticket_id=f"{TICKET}{number}", message=f"{WORDS} {number}")
    assert whole.deliver(body, event_id=f"event-{number}-{WORDS}").status_code == 200


def leaks(told: str) -> bool:
    return WORDS in told or "<script>alert" in told


def worker(connection: Redis) -> dict[str, str]:
    """Its hash in RQ."""
    (key,) = connection.smembers("rq:workers:reopener")
    return {name.decode(): value.decode() for name, value in connection.hgetall(key).items()}


def environment(**more: str) -> dict[str, str]:
    """With the tools and what they ask for, before what we have."""
    return {"PYTHONPATH": str(TOOLS), "PYTHONWARNINGS": "ignore", "HOME": "/nonexistent", **more}


def tool(module: str, *arguments: str) -> str:
    """What a tool prints."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout


@contextmanager
def serving(*command: str, variables: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """A client of a tool's pages, on the port that the kernel gave it."""
    with process(*command, variables=variables, log=log):
        found = until(lambda: re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text("utf-8")))
        with httpx.Client(base_url=found[1], timeout=10, trust_env=False) as client:
            yield client
