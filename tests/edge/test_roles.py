"""The processes that the command line starts, as signals end them."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
import redis
from rq import Worker

from tests import running
from tests.running import process, reply, until


@pytest.fixture
def variables(redis_url, tmp_path: Path) -> dict[str, str]:
    """On any free port, with an Acquire that nobody asks."""
    return running.environment(
        tmp_path,
        redis_url,
        REOPENER_PORT="0",
        ACQUIRE_BASE_URL="http://127.0.0.1:9",
        ACQUIRE_ACCOUNT_ID="x",
        ACQUIRE_API_KEY="key-for-tests-only",
    )


def ended(running_process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    running_process.send_signal(number)
    return running_process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_every_role(variables, tmp_path: Path, number):
    """`serve`, `work` and `sandbox` end with 0 on a signal, having finished what they had begun."""
    log = tmp_path / "log"
    with process("-m", "service", "serve", variables=variables, log=log) as receiver:
        until(lambda: "Uvicorn running" in log.read_text())
        assert ended(receiver, number) == 0
    with process("-m", "service", "sandbox", "--port", "0", variables=variables, log=log) as sandbox:
        until(lambda: "listening on" in log.read_text())
        assert ended(sandbox, number) == 0
    command = ("-m", "service", "work", "--concurrency", "2")
    with process(*command, variables=variables, log=log) as worker, running.site_on(variables) as site:
        until(lambda: site.stats().get("workers"))
        assert ended(worker, number) == 0
        assert site.stats()["workers"] == 0


def test_a_hangup_that_nohup_ignores_ends_no_role(variables, redis_url, tmp_path: Path):
    """Under nohup, `run`, `serve`, `work` and `sandbox` go on where the terminal is closed."""
    log, workers = tmp_path / "log", redis.Redis.from_url(redis_url)
    for command, is_at_work in (
        (("-m", "service", "run"), lambda: "Ctrl-C stops everything" in log.read_text()),
        (("-m", "service", "serve"), lambda: "startup complete" in log.read_text()),
        (("-m", "service", "work"), lambda: Worker.count(workers)),
        (("-m", "service", "sandbox", "--port", "0"), lambda: "listening on" in log.read_text()),
    ):
        with process(*command, variables=variables, log=log, within=("nohup",)) as started:
            until(is_at_work)
            ignored = re.search(r"SigIgn:\s*([0-9a-f]+)", Path(f"/proc/{started.pid}/status").read_text())
            assert int(ignored[1], 16) & 1 << signal.SIGHUP - 1, command
            assert ended(started, signal.SIGTERM) == 0


def test_a_draining_worker_finishes_its_call(redis_url, tmp_path: Path):
    """SIGTERM while a call is in flight: the call is finished, its case is stored, and no more is taken."""
    with running.sandbox(tmp_path) as acquire:
        variables = running.environment(tmp_path, redis_url, **running.account_on(acquire))
        acquire.post("/_sandbox/faults", json=[{"kind": "delay", "seconds": 1, "on": "create"}])
        command = ("-m", "workers", "--concurrency", "1")
        with (
            running.site_on(variables) as site,
            process(*command, variables=variables, log=tmp_path / "log") as worker,
        ):
            first = site.deliver(event_id="msg_1").json()["reopen_id"]
            second = site.deliver(reply(thread_id=1684), event_id="msg_2").json()["reopen_id"]
            until(lambda: site.reopen(first)["attempts"])
            assert ended(worker, signal.SIGTERM) == 0
            assert site.reopen(first)["status"] == "reopened"
            assert site.reopen(second)["status"] == "queued"
