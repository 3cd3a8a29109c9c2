"""`reopener run` as a newcomer starts it: everything in one process tree, on one data folder."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from service import demo
from service.clock import SystemClock
from service.embedded import find_server
from service.settings import Secret, SourceSettings
from service.sources import KINDS

ROOT = Path(__file__).parents[2]
START_LIMIT_SECONDS = 60.0
DRAIN_LIMIT_SECONDS = 120.0
ENDS_ONCE_IT_IS_NEEDED = """#!/bin/sh
[ "$1" = --version ] && exec {server} --version
{server} "$@" &
until [ -e {folder}/sandbox-port ]; do sleep 0.05; done
kill $!
wait $!
exit 1
"""


@dataclass(slots=True)
class Running:
    """A run that prints into `lines`."""

    process: subprocess.Popen[str]
    lines: list[str]
    url: str

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> str:
        """The first group of the pattern, as soon as it is printed."""
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.output):
                return found[1]
            if self.process.poll() is not None:
                break
            select.select([], [], [], 0.02)
        raise AssertionError(f"{pattern!r} was not printed:\n{self.output}")

    def api(self, path: str, token: str) -> dict[str, object]:
        answer = httpx.get(f"{self.url}{path}", headers={"authorization": f"Bearer {token}"}, timeout=10)
        answer.raise_for_status()
        told: dict[str, object] = answer.json()
        return told


@contextmanager
def running(folder: Path, port: int, **variables: str) -> Iterator[Running]:
    """`reopener run` in a folder of its own; whatever is left of it at the end is killed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {**kept, "PYTHONPATH": str(ROOT), "REOPENER_PORT": str(port), "NO_COLOR": "1", **variables}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "service", "run"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield Running(process, lines, f"http://127.0.0.1:{port}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(10)
        process.stdout.close()


def _collect(process: subprocess.Popen[str], lines: list[str]) -> None:
    lines.extend(line.rstrip("\n") for line in process.stdout)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _drained(run: Running, token: str, accepted: int) -> dict[str, object]:
    deadline = time.monotonic() + DRAIN_LIMIT_SECONDS
    while True:
        stats = run.api("/api/stats", token)
        if stats["accepted"] == accepted and stats["waiting"] == 0:
            return stats
        assert time.monotonic() < deadline, stats
        select.select([], [], [], 0.1)


def _send(run: Running, secret: str, numbers: range) -> None:
    for number in numbers:
        sample = demo.reply(secret, event_id=f"event-{number}", now=SystemClock().now(), origin=run.url)
        body = json.loads(sample.body)
        assert body["data"]["thread_id"]
        answer = httpx.post(sample.url, content=sample.body, headers=dict(sample.headers), timeout=10)
        assert answer.status_code == httpx.codes.OK, answer.text


def test_a_newcomer_sees_a_case_and_can_paste_the_curl(tmp_path, port):
    """A first run prints the new case id, the dashboard, the token and a curl that works as pasted."""
    with running(tmp_path, port) as run:
        case_id = run.wait_for(r"new case id (\d+)")
        token = run.wait_for(r"admin token\s+(\S+)")
        assert run.wait_for(r"dashboard\s+(\S+)") == f"{run.url}/"
        run.wait_for(r"(echo \))")
        command = run.output[run.output.index("( time=") : run.output.index("echo )") + len("echo )")]
        pasted = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True
        )
        assert json.loads(pasted.stdout)["status"] == "accepted"
        stats = _drained(run, token, accepted=2)
        assert stats["balanced"] is True
        page = run.api("/api/reopens", token)
        statuses = [reopen["status"] for reopen in page["reopens"]]
        assert statuses == ["appended", "reopened"]
        assert {str(reopen["new_case_id"]) for reopen in page["reopens"]} == {case_id}
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(30) == 0


def test_a_sample_is_sent_beside_sources_of_ones_own(tmp_path, port):
    """Without credentials a run with sources of the user's own sends its sample too, and leaves the customer
    whom the examples name to whoever tries them.
    """
    (tmp_path / "reopener.toml").write_text(
        '[sources.support]\nkind = "standard"\nsecret_env = "SUPPORT_SECRET"\n', "utf-8"
    )
    secret = demo.new_secret()
    with running(tmp_path, port, SUPPORT_SECRET=secret) as run:
        run.wait_for(r"sample +reopened, new case id (\d+)")
        run.wait_for(r"(echo \))")
        source = SourceSettings(name="support", kind="standard", secrets=(Secret(secret),))
        now, url = SystemClock().now(), f"{run.url}/webhooks/support"
        reply = KINDS["standard"].sample(source, url=url, now=now, event_id="first")
        assert httpx.post(url, content=reply.body, headers=dict(reply.headers)).json()["status"] == "accepted"
        token = run.wait_for(r"admin token\s+(\S+)")
        _drained(run, token, accepted=2)
        told = run.api("/api/reopens?source=support", token)
        assert [(each["thread_id"], each["status"]) for each in told["reopens"]] == [(1683, "reopened")]


def test_what_a_full_disk_left_empty_is_made_anew(tmp_path, port):
    """Files that were begun and not written are made at the next start; an empty REOPENER_CONFIG is none."""
    folder = tmp_path / ".reopener"
    folder.mkdir()
    for name in ("admin-token", "demo-secret", "sandbox-port"):
        (folder / name).touch(0o600)
    with running(tmp_path, port, REOPENER_CONFIG="") as run:
        run.wait_for(r"new case id (\d+)")
        token = run.wait_for(r"admin token\s+(\S+)")
        assert run.api("/api/stats", token)["accepted"] == 1


def test_a_token_put_there_by_hand_opens(tmp_path, port):
    """A token that somebody wrote into the data folder counts without the line's end behind it."""
    (tmp_path / ".reopener").mkdir()
    (tmp_path / ".reopener" / "admin-token").write_text("chosen-by-hand-0123456789\n", "utf-8")
    with running(tmp_path, port) as run:
        assert run.wait_for(r"admin token\s+(\S+)") == "chosen-by-hand-0123456789"
        assert run.api("/api/stats", "chosen-by-hand-0123456789")


def test_a_file_that_takes_no_further_source_runs_without_a_sample(tmp_path, port):
    """Where the user's sources are an inline table, all starts, and why there is no sample is told."""
    (tmp_path / "reopener.toml").write_text(
        'sources = { support = { kind = "standard", secret_env = "SUPPORT_SECRET" } }\n', "utf-8"
    )
    with running(tmp_path, port, SUPPORT_SECRET=demo.new_secret()) as run:
        run.wait_for(r"sample +(none): where sources")
        assert httpx.get(f"{run.url}/webhooks/support").status_code == httpx.codes.OK


def test_packages_of_others_in_the_folder_are_not_started(tmp_path, port):
    """Where the folder holds somebody's `workers`, the workers and the sandbox are ours."""
    (tmp_path / "workers.py").write_text("raise SystemExit(3)\n")
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")


def test_starting_again_finds_earlier_records(tmp_path, port):
    """After a clean stop and a new start, all earlier records are there, and the token is the same."""
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")
        token = run.wait_for(r"admin token\s+(\S+)")
        before = run.api("/api/reopens", token)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 0
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")
        assert run.wait_for(r"admin token\s+(\S+)") == token
        after = run.api("/api/reopens", token)
    assert after["reopens"][-1] == before["reopens"][-1]
    assert len(after["reopens"]) == 2


def test_second_run_beside_the_first_is_told_why(tmp_path, port):
    """A second run on the same folder, and one on a taken port, end with a clear error."""
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")
        with running(tmp_path, port) as second:
            assert second.process.wait(30) == 1
        assert "another reopener runs on this data folder" in second.output
        other = tmp_path / "other"
        other.mkdir()
        with running(other, port) as third:
            assert third.process.wait(30) == 1
        assert f"port {port} on 127.0.0.1 is taken" in third.output


def test_a_redis_that_ends_at_once_leads_to_its_log(tmp_path, port):
    """Where Redis ends before all is up, the run ends and says where Redis' own words are."""
    program = tmp_path / "redis-server"
    program.write_text(ENDS_ONCE_IT_IS_NEEDED.format(server=find_server(), folder=tmp_path / ".reopener"))
    program.chmod(0o755)
    with running(tmp_path, port, PATH=f"{tmp_path}:{os.environ['PATH']}") as run:
        assert run.process.wait(30) == 1
    assert f"why is said in {tmp_path}/.reopener/redis/redis.log" in run.output


def test_killing_the_whole_tree_loses_nothing(tmp_path, port):
    """SIGKILL of the whole tree in the middle of 200 events; the next run brings all of them to a case."""
    (tmp_path / "reopener.toml").write_text("[acquire]\nrate_per_second = 0\n", "utf-8")
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")
        token = run.wait_for(r"admin token\s+(\S+)")
        secret = (tmp_path / ".reopener" / "demo-secret").read_text("utf-8")
        _send(run, secret, range(200))
        run.process.kill()
        run.process.wait()
    with running(tmp_path, port) as run:
        run.wait_for(r"new case id (\d+)")
        stats = _drained(run, token, accepted=202)
        assert stats["balanced"] is True
        assert sum(stats["by_status"][status] for status in ("reopened", "appended")) == 202
        pages = [run.api("/api/reopens?limit=200", token)]
        pages.append(run.api(f"/api/reopens?limit=200&cursor={pages[0]['next_cursor']}", token))
        reopens = [reopen for page in pages for reopen in page["reopens"]]
        assert len(reopens) == 202
        assert all(reopen["new_case_id"] for reopen in reopens)
