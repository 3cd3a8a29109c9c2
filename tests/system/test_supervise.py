"""Children of `reopener run`: what ends comes back, what stops stops in order."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from service.clock import SystemClock
from service.supervise import CannotStart, Command, RedisChild, Supervisor

NOTES_ITS_END = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def stop(*_):
    with (folder / "stopped").open("a") as file:
        file.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
(folder / name).write_text("up")
time.sleep(600)
"""
NEVER_STOPS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(pathlib.Path(sys.argv[2]) / sys.argv[1]).write_text("up")
time.sleep(600)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(SystemClock())
    yield supervisor
    supervisor.stop()


def test_killed_child_comes_back(supervisor, tmp_path):
    """A child that is killed is started again after a pause."""
    child = command("one", tmp_path)
    supervisor.start(child)
    first = child._process.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.ended() == [("one", -signal.SIGKILL)])

    wait_until(lambda: supervisor.look() or not supervisor.ended())

    assert child._process.pid != first


def test_a_machine_without_room_for_a_process_is_tried_again(supervisor, tmp_path, monkeypatch):
    """Where the system starts no process just now, the child is started after a further pause."""
    child = command("one", tmp_path)
    supervisor.start(child)
    os.kill(child._process.pid, signal.SIGKILL)
    wait_until(supervisor.ended)
    refused = []

    def full(*_, **__):
        refused.append(1)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("service.tether.start", full)
        wait_until(lambda: supervisor.look() or refused)
    wait_until(lambda: supervisor.look() or not supervisor.ended())


def test_a_machine_without_room_starts_no_redis(tmp_path, monkeypatch):
    """Where the system starts no process just now, Redis cannot be started: no fault of another kind."""

    def full(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("service.tether.start", full)
    with pytest.raises(CannotStart, match="Resource temporarily unavailable"):
        RedisChild(tmp_path, clock=SystemClock()).start()


def test_pauses_grow(tmp_path):
    """Who ends again and again waits 0.5 s, 1 s, 2 s and so on up to 30 s; a steady minute resets that."""
    clock = SteppedClock()
    child = EndsAtOnce()
    supervisor = Supervisor(clock)
    supervisor.start(child)
    pauses = []
    for _ in range(9):
        ended_at = clock.seconds
        starts = child.starts
        supervisor.look()
        while child.starts == starts:
            clock.seconds += 0.25
            supervisor.look()
        pauses.append(clock.seconds - ended_at)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    clock.seconds += 60
    supervisor.look()
    clock.seconds += 0.5
    starts = child.starts
    supervisor.look()
    assert child.starts == starts + 1


def test_child_that_cannot_start_is_tried_again():
    """A start that fails counts like an end: it is tried again later, and the others are looked after."""
    clock = SteppedClock()
    child = EndsAtOnce()
    supervisor = Supervisor(clock)
    supervisor.start(child)
    supervisor.look()
    child.fails = True
    clock.seconds += 0.5
    supervisor.look()
    child.fails = False
    clock.seconds += 0.75
    supervisor.look()
    assert child.starts == 2
    clock.seconds += 0.25
    supervisor.look()
    assert child.starts == 3


def test_stops_in_order(supervisor, tmp_path):
    """The child started last is stopped first, and has ended before the next one is asked."""
    for name in ("redis", "sandbox", "workers"):
        supervisor.start(command(name, tmp_path))
        wait_until((tmp_path / name).exists)
    supervisor.stop()
    assert (tmp_path / "stopped").read_text().split() == ["workers", "sandbox", "redis"]


def test_child_that_does_not_stop_is_killed(supervisor, tmp_path):
    """A child that takes longer to stop than it may is killed."""
    child = command("stubborn", tmp_path, script=NEVER_STOPS, patience_seconds=0.1)
    supervisor.start(child)
    wait_until((tmp_path / "stubborn").exists)
    supervisor.stop()
    assert child.ended() == -signal.SIGKILL


def test_killed_redis_comes_back(supervisor, tmp_path):
    """A Redis that is killed is started again at the same address with the same data."""
    child = RedisChild(tmp_path, clock=SystemClock())
    supervisor.start(child)
    with redis.Redis.from_url(child.url) as connection:
        connection.set("kept", "yes")
        os.kill(connection.info("server")["process_id"], signal.SIGKILL)
    wait_until(lambda: bool(supervisor.ended()))

    wait_until(lambda: supervisor.look() or not supervisor.ended())

    with redis.Redis.from_url(child.url) as connection:
        assert connection.get("kept") == b"yes"


class SteppedClock(SystemClock):
    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class EndsAtOnce:
    name = "short-lived"
    starts = 0
    fails = False

    def start(self) -> None:
        self.starts += 1
        if self.fails:
            raise CannotStart("no room")

    def ended(self) -> int | None:
        return 1

    def stop(self) -> None: ...


def command(name: str, folder: Path, *, script: str = NOTES_ITS_END, patience_seconds: float = 10) -> Command:
    return Command(
        name, [sys.executable, "-c", script, name, folder], os.environ, patience_seconds=patience_seconds
    )


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)
