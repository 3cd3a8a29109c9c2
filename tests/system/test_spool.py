"""A Redis that is killed, and then the receiver: every delivery that was answered is admitted, in order."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from bench import outage as bench_outage
from service.clock import SystemClock
from service.domain.reopens import reopen_id
from service.embedded import EmbeddedRedis
from tests.running import environment, process, reply, signed, until

THREADS = 4


class Helpdesk:
    """Posts replies in several threads at once, each in an order of its own; `answered` by thread."""

    def __init__(self) -> None:
        self.answered: dict[int, list[str]] = {thread: [] for thread in range(1, THREADS + 1)}
        self._stopped = threading.Event()

    @contextmanager
    def posting(self, origin: str) -> Iterator[None]:
        self._stopped.clear()
        posters = [threading.Thread(target=self._post, args=(origin, thread)) for thread in self.answered]
        for poster in posters:
            poster.start()
        try:
            yield
        finally:
            self._stopped.set()
            for poster in posters:
                poster.join()

    def count(self) -> int:
        return sum(len(names) for names in self.answered.values())

    def _post(self, origin: str, thread: int) -> None:
        with httpx.Client(base_url=origin, timeout=10, trust_env=False) as client:
            while not self._stopped.is_set():
                name = f"evt-{thread}-{len(self.answered[thread])}"
                content, headers = signed(reply(thread_id=thread), event_id=name)
                try:
                    answer = client.post("/webhooks/support", content=content, headers=headers)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                assert answer.json()["reopen_id"] == reopen_id("support", name)
                self.answered[thread].append(name)


@contextmanager
def receiver(variables: dict[str, str], log: Path) -> Iterator[tuple[str, int]]:
    """A receiver in a process of its own: its address and process id."""
    with process("-m", "service", "serve", variables=variables, log=log) as running:
        found = until(lambda: re.search(r"running on (http://[\d.:]+)", log.read_text("utf-8")))
        yield found[1], running.pid


def more_answers(helpdesk: Helpdesk) -> None:
    enough = helpdesk.count() + 40
    until(lambda: helpdesk.count() >= enough)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_is_admitted_once_and_in_order(tmp_path, end):
    """Redis is killed under load, then the receiver; both come back: no answered one is lost or doubled."""
    variables = environment(tmp_path, "", REOPENER_PORT="0", REOPENER_SPOOL_MB="8")
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    variables["REDIS_URL"] = server.url
    helpdesk = Helpdesk()
    try:
        with receiver(variables, tmp_path / "first.log") as (origin, pid), helpdesk.posting(origin):
            more_answers(helpdesk)
            os.kill(server.pid, signal.SIGKILL)
            server.stop()
            more_answers(helpdesk)
            assert httpx.get(f"{origin}/readyz", trust_env=False).status_code == 200
            os.kill(pid, end)
        with receiver(variables, tmp_path / "second.log") as (origin, _):
            with helpdesk.posting(origin):
                more_answers(helpdesk)
                server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
                with redis.Redis.from_url(server.url) as connection:
                    waits_for(connection, helpdesk)
                more_answers(helpdesk)
            until(lambda: "spool.drained" in (tmp_path / "second.log").read_text("utf-8"))
        with redis.Redis.from_url(server.url) as connection:
            for thread, answered in helpdesk.answered.items():
                admitted = [
                    connection.hget(f"reopener:r:{each.decode()}", "event_id").decode()
                    for each in connection.zrange(f"reopener:inbox:{thread}", 0, -1)
                ]
                assert admitted == answered
    finally:
        server.stop()


def waits_for(connection: redis.Redis, helpdesk: Helpdesk) -> None:
    """What is answered by now is in Redis."""
    answered = [(thread, len(names)) for thread, names in helpdesk.answered.items()]
    until(lambda: all(connection.zcard(f"reopener:inbox:{thread}") >= count for thread, count in answered))


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_steady_load_does_not_notice(tmp_path, how, monkeypatch):
    """Whether Redis is killed or hangs under it: all are answered, and those answered 200 are there."""
    monkeypatch.setattr(bench_outage, "BEFORE_SECONDS", 0.5)
    monkeypatch.setattr(bench_outage, "AFTER_SECONDS", 0.5)
    came = bench_outage.outage(tmp_path, how, away_seconds=1.5, per_second=100)
    assert came.spooled > 0
    # On a machine that stands still for a second, some may be told to come again.
    assert set(came.answers.statuses) <= {b"200", b"503"}
    assert came.records == came.admitted >= came.answers.ok


def test_two_receivers_do_not_share_a_spool(tmp_path, redis_url):
    """The second one on a data folder is told which process has it, and ends."""
    variables = environment(tmp_path, redis_url, REOPENER_PORT="0", REOPENER_SPOOL_MB="8")
    with receiver(variables, tmp_path / "first.log") as (_, pid):
        log = tmp_path / "second.log"
        with process("-m", "service", "serve", variables=variables, log=log) as second:
            assert second.wait(30) == 1
        assert f"pid {pid}" in log.read_text("utf-8")
