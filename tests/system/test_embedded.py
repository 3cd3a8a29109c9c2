"""The embedded Redis and the tether, with real servers and real kills."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from service import embedded, tether
from service.clock import SystemClock
from service.embedded import EmbeddedRedis, EmbeddedRedisError, FolderBusy, find_server, find_socket

START_AND_WAIT = """
import sys, time
from pathlib import Path
from service.clock import SystemClock
from service.embedded import EmbeddedRedis
server = EmbeddedRedis.start(Path(sys.argv[1]), clock=SystemClock())
print(server.pid, flush=True)
time.sleep(600)
"""

SILENT = f"""#!{sys.executable}
import socket, sys, time
if sys.argv[1:] != ["--version"]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[sys.argv.index("--unixsocket") + 1])
    listening.listen()
    time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., EmbeddedRedis]]:
    """Starts servers that are stopped after the test."""
    servers = []

    def start(data_dir: Path = tmp_path, **options: object) -> EmbeddedRedis:
        servers.append(EmbeddedRedis.start(data_dir, clock=SystemClock(), **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.is_alive():
            server.stop()


def test_what_was_answered_survives_a_kill(start, tmp_path):
    """A write that was answered is there again after `kill -9` of the server, at the same address."""
    server = start()
    with client(server) as first:
        first.set("answered", "yes")
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_alive())
    assert server.exit_status() == -signal.SIGKILL
    server.stop()

    again = start()

    assert again.url == server.url
    with client(again) as second:
        assert second.get("answered") == b"yes"


def test_of_a_torn_script_nothing_is_left(start, tmp_path):
    """Where a power cut comes in the middle of its writes, none is there, nor at the start after the next."""
    script = "for _, name in ipairs(ARGV) do redis.call('SET', name, string.rep('x', 100)) end"
    server = start()
    with client(server) as first:
        first.eval(script, 0, "whole")
        first.eval(script, 0, "first", "second", "third")
    killed(server)
    file = max(tmp_path.glob("redis/**/*.aof"), key=lambda path: path.stat().st_size)
    os.truncate(file, file.read_bytes().rindex(b"second"))
    for _ in range(2):
        server = start()
        with client(server) as later:
            later.eval(script, 0, "whole")
            assert later.keys() == [b"whole"]
        killed(server)


def killed(server: EmbeddedRedis) -> None:
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


def test_is_set_up_to_lose_nothing(start):
    """The server fsyncs each write, evicts nothing, and listens on no port."""
    with client(start()) as connection:
        settings = connection.config_get("*")
    expected = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0"}
    assert {name: settings[name] for name in expected} == expected


def test_second_run_beside_the_first(start):
    """A second start on the same folder is refused, with the process id of the first."""
    start()
    with pytest.raises(FolderBusy, match=rf"another reopener runs on this data folder, pid {os.getpid()}\b"):
        start()


def test_dies_with_its_parent(tmp_path, start):
    """When the parent is killed with SIGKILL the server ends too, and a new start works at once."""
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, tmp_path], stdout=subprocess.PIPE, env=environment()
    ) as parent:
        server_pid = int(parent.stdout.readline())
        parent.kill()
    again = start()
    assert again.pid != server_pid
    wait_until(lambda: not exists(server_pid))


def test_outlives_the_thread_that_started_it(start):
    """The server lives on when the thread that asked for it ends, though the kernel signals by threads."""
    servers = []
    thread = threading.Thread(target=lambda: servers.append(start()))
    thread.start()
    thread.join()
    with client(servers[0]) as connection:
        assert connection.ping()
    assert servers[0].is_alive()


def test_parent_that_died_before_the_tether(tmp_path, monkeypatch):
    """A child whose parent is gone before it could tie itself ends without becoming the command."""
    witness = tmp_path / "witness"
    monkeypatch.setattr(tether.os, "getpid", lambda: 1)
    with (tmp_path / "output").open("wb") as output:
        assert tether.start(["touch", witness], output=output).wait(10) == 1
    assert "the parent is gone already" in (tmp_path / "output").read_text()
    assert not witness.exists()


def test_living_orphan_is_replaced(start):
    """A server that lost its parent and still lives is ended before a new one starts on its data."""
    orphan = start()
    with client(orphan) as connection:
        connection.set("written", "by the orphan")
    orphan._lock.release()

    server = start()

    assert orphan.exit_status() is not None
    with client(server) as connection:
        assert connection.get("written") == b"by the orphan"
        assert connection.info("server")["process_id"] == server.pid


def test_stale_socket_is_removed(start, tmp_path):
    """A socket that nobody listens on does not stop a start."""
    (tmp_path / "redis").mkdir()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "redis" / "redis.sock"))
    with client(start()) as connection:
        assert connection.ping()


def test_socket_of_a_deep_folder(start, tmp_path):
    """Where the folder's path is too long for a socket, tools find the short one that is used instead."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    assert find_socket(deep) is None
    server = start(deep)
    found = find_socket(deep)
    assert found is not None
    assert len(os.fsencode(found)) <= embedded.LONGEST_SOCKET_PATH_BYTES
    assert found.parent.stat().st_mode & 0o777 == 0o700
    with redis.Redis(unix_socket_path=str(found)) as connection:
        assert connection.ping()

    server.stop()
    assert find_socket(deep) is None
    assert start(deep).url == server.url
    found.parent.joinpath("redis.sock").unlink()


@pytest.mark.parametrize("name", ["with space", "größer", "100%", 'quo"te', "#1?x"])
def test_folder_with_an_odd_name(start, tmp_path, name):
    """Any folder name works, also where it has to be quoted in a URL or a configuration."""
    with client(start(tmp_path / name)) as connection:
        assert connection.ping()


def test_long_loading_is_shown_and_can_be_ended(start, tmp_path):
    """While data is read its share is told; an exception from there ends the start and leaves no server.

    Redis tells the share of one file at a time, and an AOF is two: it may begin anew once.
    """
    server = start()
    with client(server) as connection:
        connection.eval("for i = 1, 400000 do redis.call('set', i, i) end return 1", 0)
    server.stop()

    class Enough(Exception):
        pass

    def refuse(percent: float) -> None:
        raise Enough(percent)

    with pytest.raises(Enough):
        start(on_loading=refuse)
    seen: list[float] = []
    with client(start(on_loading=seen.append)) as connection:
        assert connection.dbsize() == 400_000
    assert all(0 <= percent <= 100 for percent in seen)
    assert sum(after < before for before, after in pairwise(seen)) <= 1


def test_data_that_cannot_be_read(start, tmp_path):
    """A server that refuses its data is an error with the server's own words."""
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"this is no append-only file\r\n")
    with pytest.raises(EmbeddedRedisError, match=r"[Bb]ad file format.*redis\.log"):
        start()


def test_server_that_says_nothing(start, tmp_path, monkeypatch):
    """A server that takes connections and never answers is given up on, with a sentence."""
    silent = tmp_path / "redis-server"
    silent.write_text(SILENT)
    silent.chmod(0o755)
    monkeypatch.setattr(embedded, "find_server", lambda: silent)
    monkeypatch.setattr(embedded, "_SILENCE_LIMIT_SECONDS", 0.5)
    with pytest.raises(EmbeddedRedisError, match="did not start"):
        start()


def test_data_of_a_newer_server(start, tmp_path, monkeypatch):
    """A server that would pass over the data of a newer one, and start empty, is refused."""
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    monkeypatch.setattr(embedded, "_version_of", lambda server: (6, 2, 14))
    with pytest.raises(EmbeddedRedisError, match="written by Redis 7 or newer"):
        start()


@pytest.mark.parametrize(
    ("name", "words", "taken"),
    [
        ("redis-server", "Redis server v=7.4.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", True),
        ("valkey-server", "Valkey server v=8.1.0 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", True),
        ("redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", False),
        ("redis-server", "something else", False),
    ],
)
def test_server_on_the_path(tmp_path, monkeypatch, name, words, taken):
    """A server on the PATH is taken where it is new enough, else the next one is asked."""
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\necho '{words}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (find_server() == program) is taken


def test_no_server_at_all(monkeypatch):
    """Without any server the error says what was found and what to type."""
    monkeypatch.setattr(embedded, "_candidates", lambda: iter([Path("/bin/false")]))
    with pytest.raises(EmbeddedRedisError, match=r"/bin/false is not a Redis.*apt install redis-server"):
        find_server()


def client(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(embedded.__file__).parents[1])}


def exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)
