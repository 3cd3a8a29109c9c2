"""Two receivers and two workers on machines of their own, and links between them that fail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from service.embedded import find_server
from tests.chaos import stack
from tests.network import Machine, network
from tests.running import environment, process, until

PORT = 8080
RECEIVERS = ("receiver1", "receiver2")
LIMIT_SECONDS = 2.0
ENOUGH, AFEW = 40, 3
DELAYS = [{"kind": "delay", "rate": 0.5, "seconds": 1.0}]
"""So that calls are in flight whenever a link fails."""


def test_links_fail(tmp_path: Path):
    """A worker that is cut off while it holds leases and calls, and comes back, and a receiver without its
    Redis, cost nothing: no reply lost or doubled, all in order, and refusals within two seconds.
    """
    with ExitStack() as running:
        net = running.enter_context(
            network("redis", "acquire", "desk", "receiver1", "receiver2", "worker1", "worker2")
        )
        ledger = running.enter_context(_redis(net["redis"], tmp_path))
        variables = environment(
            tmp_path,
            f"redis://{net['redis'].address}:{PORT}/0",
            config=stack.CONFIG.format(timeout_seconds=stack.TIMEOUT_SECONDS),
            CHAOS_SECRET=stack.SECRET,
            REOPENER_ADMIN_TOKEN=stack.ADMIN_TOKEN,
            REOPENER_PORT=str(PORT),
            ACQUIRE_ACCOUNT_ID="sandbox",
            ACQUIRE_API_KEY="sandbox",
            ACQUIRE_BASE_URL=f"http://{net['acquire'].address}:{PORT}",
            ACQUIRE_ALLOW_HTTP="1",
        )

        def starts(name: str, *command: str, **more: str) -> Path:
            log, machine = tmp_path / f"{name}.log", net[name]
            told = {**variables, **more}
            running.enter_context(process(*command, variables=told, log=log, within=machine.within))
            return log

        listens = ("--host", net["acquire"].address, "--port", str(PORT))
        sandbox = starts("acquire", "-m", "workers.sandbox", *listens)
        receivers = [
            starts(name, "-m", "service", "serve", REOPENER_HOST=net[name].address) for name in RECEIVERS
        ]
        workers = [starts(name, "-m", "workers") for name in ("worker1", "worker2")]
        acquire, *urls = (f"http://{net[name].address}:{PORT}" for name in ("acquire", *RECEIVERS))
        until(lambda: "listening on" in sandbox.read_text("utf-8"))
        net["desk"].ask(f"{acquire}/_sandbox/faults", method="POST", told=DELAYS)
        until(lambda: all("Uvicorn running" in log.read_text("utf-8") for log in receivers))
        until(lambda: ledger.scard("rq:workers:reopener") == len(workers))
        told = starts("desk", "-m", "tests.system.outside", acquire, *urls)
        until(lambda: int(ledger.hget("reopener:totals", "accepted") or 0) > ENOUGH)
        net.cut("worker1")
        until(lambda: "lease.taken_over" in workers[1].read_text("utf-8"))
        net.part("receiver2", "redis")
        until(lambda: receivers[1].read_text("utf-8").count('"status":503') >= AFEW)
        net.join("receiver2", "redis")
        net.mend("worker1")
        verdict = json.loads(until(lambda: told.read_text("utf-8"), limit_seconds=90))
        assert verdict["held"], verdict
        assert verdict["refused"] >= AFEW
        assert "lease.fenced" in workers[0].read_text("utf-8")
        assert verdict["slowest_refusal_seconds"] < LIMIT_SECONDS


@contextmanager
def _redis(on: Machine, folder: Path) -> Iterator[redis.Redis]:
    """A Redis on a machine of its own, and a client that reaches it through its Unix socket."""
    path, log = folder / "redis.sock", folder / "redis.log"
    listens = ("--bind", on.address, "--port", str(PORT), "--protected-mode", "no", "--unixsocket", str(path))
    keeps = ("--dir", str(folder), "--save", "", "--appendonly", "yes")
    program = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    command = ("-c", program, str(find_server()), *listens, *keeps)
    server = process(*command, variables={}, log=log, within=on.within)
    with server, redis.Redis(unix_socket_path=str(path)) as client:
        until(lambda: re.search("Ready to accept", log.read_text("utf-8")))
        yield client
