"""Packets to Acquire vanish while a worker dies: its request never arrives (rule 8)."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from tests.network import Machine, network
from tests.running import ROOT, process, until

BARE = 1_000
LONGER = 1.15
"""Ours are waited for so many times longer than a request without our socket options takes to arrive."""

SENDER = """
import asyncio, sys
import workers.acquire.wire
from dataclasses import replace
from service.clock import SystemClock
from tests.edge.acquire.scripted import sending, settings
from workers.acquire import AcquireClient

origin, thread_id, options = sys.argv[1:]
if options == "none":
    workers.acquire.wire._socket_options = lambda _: []

def may_send():
    print("connected", flush=True)
    return bool(sys.stdin.readline())

async def send():
    acquire = AcquireClient(settings(origin, timeout_seconds=10), clock=SystemClock(), concurrency=1)
    await acquire.session().send(replace(sending(), thread_id=int(thread_id)), may_send=may_send)

asyncio.run(send())
"""
"""A worker's client in a process of its own, which waits for a word between last check and first byte."""


@pytest.mark.parametrize(
    ("dropped_seconds", "signals"),
    [
        # TCP_USER_TIMEOUT ends both, longer than a call lasts.
        (20.0, {1683: signal.SIGKILL, 1684: signal.SIGSTOP}),
        # Lingering zero ends it with its process, before that.
        (4.0, {1683: signal.SIGKILL}),
    ],
    ids=["20 s", "4 s"],
)
def test_a_dead_workers_request_never_arrives(
    tmp_path: Path, dropped_seconds: float, signals: dict[int, signal.Signals]
):
    """What a worker wrote into a dead link before it was killed or stopped is not delivered when the link is
    back, though the kernel delivers it, long after, for a sender without our socket options.
    """
    bare = {thread_id + BARE: number for thread_id, number in signals.items()}
    with ExitStack() as stack:
        net = stack.enter_context(network("worker", "acquire"))
        origin = stack.enter_context(_sandbox(net["acquire"], tmp_path))
        senders = [
            stack.enter_context(
                _sender(net["worker"], origin, thread_id, "none" if thread_id in bare else "ours")
            )
            for thread_id in (*signals, *bare)
        ]
        net.cut("acquire")
        cut_at = time.monotonic()
        for number, sender in enumerate(senders, start=1):
            sender.stdin.write("go\n")
            sender.stdin.flush()
            until(lambda many=number: _unacknowledged(net["worker"]) == many)
        for sender, number in zip(senders, (*signals.values(), *bare.values()), strict=True):
            sender.send_signal(number)
        senders[0].wait()
        time.sleep(max(0, dropped_seconds - (time.monotonic() - cut_at)))
        assert _arrived(net["acquire"], origin) == set()
        net.mend("acquire")
        until(lambda: _arrived(net["acquire"], origin) >= set(bare), limit_seconds=60)
        time.sleep((LONGER - 1) * (time.monotonic() - cut_at))
        assert _arrived(net["acquire"], origin) == set(bare)


@contextmanager
def _sandbox(on: Machine, folder: Path) -> Iterator[str]:
    """Acquire's stand-in on a machine of its own; its origin."""
    log = folder / "sandbox.log"
    options = ("--host", on.address, "--port", "0")
    with process("-m", "workers.sandbox", *options, within=on.within, variables={}, log=log):
        yield until(lambda: re.search(r"listening on (\S+)\n", log.read_text("utf-8")))[1]


@contextmanager
def _sender(on: Machine, origin: str, thread_id: int, options: str) -> Iterator[Popen[str]]:
    command = [*on.within, sys.executable, "-c", SENDER, origin, str(thread_id), options]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) as running:
        try:
            assert running.stdout.readline() == "connected\n"
            yield running
        finally:
            running.kill()


def _unacknowledged(machine: Machine) -> int:
    """How many of the machine's connections hold bytes that the other side has not acknowledged."""
    rows = Path(f"/proc/{machine.pid}/net/tcp").read_text("ascii").splitlines()[1:]
    return sum(int(row.split()[4].partition(":")[0], 16) > 0 for row in rows)


def _arrived(acquire: Machine, origin: str) -> set[int]:
    """The threads that Acquire was asked to reopen."""
    calls: list[dict[str, Any]] = acquire.ask(f"{origin}/_sandbox/calls")["calls"]
    return {json.loads(each["body"])["threadId"] for each in calls if each["call"] == "create"}
