"""Machines of their own behind a router, in network namespaces: nothing they send leaves this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

TOOLS = ("ip", "nsenter", "unshare")
WAITS = 'echo "$$"; exec cat'
ASKS = """
import sys, urllib.request
method, url = sys.argv[1:]
request = urllib.request.Request(url, sys.stdin.buffer.read() or None, method=method)
sys.stdout.write(urllib.request.urlopen(request, timeout=10).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace, kept by a process that waits. A command that begins with `within` runs on the machine."""

    name: str
    address: str
    within: tuple[str, ...]
    pid: int

    def run(self, *command: str) -> None:
        subprocess.run([*self.within, *command], check=True, capture_output=True)

    def ask(self, url: str, *, method: str = "GET", told: object = None) -> Any:
        """What a server of this network answers to this machine."""
        answer = subprocess.run(
            [*self.within, sys.executable, "-S", "-c", ASKS, method, url],
            input=b"" if told is None else json.dumps(told).encode(),
            check=True,
            capture_output=True,
        )
        return json.loads(answer.stdout)


@dataclass(frozen=True, slots=True)
class Network:
    """The machines, and the router between them."""

    router: Machine
    machines: dict[str, Machine]

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def cut(self, name: str) -> None:
        """From now on whatever this machine sends or is sent is dropped on the way, without a word."""
        self._forward(name, on=False)
        self.router.run("ip", "route", "add", "blackhole", f"{self[name].address}/32")

    def mend(self, name: str) -> None:
        self.router.run("ip", "route", "del", "blackhole", f"{self[name].address}/32")
        self._forward(name, on=True)

    def part(self, one: str, other: str) -> None:
        """The same between these two alone; others still reach both."""
        self._rule("add", one, other)

    def join(self, one: str, other: str) -> None:
        self._rule("del", one, other)

    def _rule(self, act: str, one: str, other: str) -> None:
        for sender, receiver in ((one, other), (other, one)):
            ends = ("from", self[sender].address, "to", self[receiver].address)
            self.router.run("ip", "rule", act, *ends, "blackhole")

    def _forward(self, name: str, *, on: bool) -> None:
        self.router.run("sh", "-c", f"echo {int(on)} >/proc/sys/net/ipv4/conf/{name}/forwarding")


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """A network of machines so named. Skips where tools are missing, which CI does not allow; a machine whose
    kernel lets nobody have a network namespace is the one place where a test cannot run.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: apt install iproute2 util-linux)")
    own_users = () if os.geteuid() == 0 else ("--map-root-user",)
    may = subprocess.run(
        ["unshare", *own_users, "--net", "true"], capture_output=True, text=True, check=False
    )
    if may.returncode:
        pytest.xfail(f"no network namespace may be made here: {may.stderr.strip()}")
    with ExitStack() as stack:
        router = stack.enter_context(_machine("router", "", ("unshare", *own_users, "--net"), own_users))
        beside = (*_users_of(router.pid, own_users), "unshare", "--net")
        machines = {}
        for number, name in enumerate(names):
            machine = stack.enter_context(_machine(name, f"10.200.{number}.2", beside, own_users))
            _connect(router, machine, f"10.200.{number}.1")
            machines[name] = machine
        router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        yield Network(router, machines)


@contextmanager
def _machine(name: str, address: str, begin: Sequence[str], own_users: Sequence[str]) -> Iterator[Machine]:
    keeper = subprocess.Popen(
        [*begin, "sh", "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with keeper:
        pid = int(keeper.stdout.readline())
        within = (*_users_of(pid, own_users), *(() if own_users else ("nsenter", f"--target={pid}")), "--net")
        machine = Machine(name, address, (*within, "--"), pid)
        machine.run("ip", "link", "set", "lo", "up")
        yield machine


def _users_of(pid: int, own_users: Sequence[str]) -> tuple[str, ...]:
    """Enters the users that the network belongs to, where they are not everybody's."""
    return ("nsenter", f"--target={pid}", "--user", "--preserve-credentials") if own_users else ()


def _connect(router: Machine, machine: Machine, gateway: str) -> None:
    peer = ("peer", "name", "eth0", "netns", str(machine.pid))
    router.run("ip", "link", "add", machine.name, "type", "veth", *peer)
    router.run("ip", "address", "add", f"{gateway}/24", "dev", machine.name)
    router.run("ip", "link", "set", machine.name, "up")
    machine.run("ip", "address", "add", f"{machine.address}/24", "dev", "eth0")
    machine.run("ip", "link", "set", "eth0", "up")
    machine.run("ip", "route", "add", "default", "via", gateway)
