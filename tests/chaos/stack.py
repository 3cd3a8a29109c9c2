"""The processes of a chaos run: Redis, sandbox, receiver, workers, each of which can be killed or stopped."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from service import tether
from service.clock import SystemClock
from service.embedded import EmbeddedRedis

TIMEOUT_SECONDS = 2.0
SETTLE_SECONDS = 2.0
LEASE_SECONDS = TIMEOUT_SECONDS + 2.0
ADMIN_TOKEN = "chaos-admin-token-chaos-admin-token"
SECRET = "whsec_Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3M="
SOURCE = "chaos"
START_LIMIT_SECONDS = 60.0

CONFIG = f"""
[acquire]
timeout_seconds = {{timeout_seconds}}
rate_per_second = 1000
[reopen]
max_attempts = 1000
backoff_base_seconds = 0.2
backoff_cap_seconds = 1.5
settle_seconds = {SETTLE_SECONDS}
[sources.{SOURCE}]
kind = "standard"
secret_env = "CHAOS_SECRET"
"""


class Node:
    """One process that is started again by whoever kills it."""

    def __init__(self, name: str, module: str, *arguments: str, env: dict[str, str], log: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._env = env
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = tether.start(self._command, env=self._env, output=output)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(TIMEOUT_SECONDS + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)


class Stack:
    """Everything that a deployment has, on loopback, in one folder."""

    def __init__(
        self, folder: Path, *, seed: int, workers: int = 2, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._folder = folder
        self._data = folder / "data"
        config = folder / "reopener.toml"
        config.write_text(CONFIG.format(timeout_seconds=timeout_seconds), "utf-8")
        self.redis = EmbeddedRedis.start(self._data, clock=SystemClock())
        self.redis_url = self.redis.url
        self.sandbox, self.acquire_url = self._start_sandbox(seed)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        env = {
            **os.environ,
            "REOPENER_CONFIG": str(config),
            "REOPENER_ADMIN_TOKEN": ADMIN_TOKEN,
            "REOPENER_PORT": str(port),
            "REDIS_URL": self.redis_url,
            "ACQUIRE_ACCOUNT_ID": "sandbox",
            "ACQUIRE_API_KEY": "sandbox",
            "ACQUIRE_BASE_URL": self.acquire_url,
            "CHAOS_SECRET": SECRET,
        }
        # With an odd seed deliveries go to the receiver's disk while Redis is away, else they get 503.
        spool = {"REOPENER_SPOOL_MB": str(seed % 2 * 32), "REOPENER_DATA_DIR": str(folder / "receiver")}
        self.receiver = Node("receiver", "service", "serve", env=env | spool, log=folder / "receiver.log")
        self.workers = [
            Node(f"worker {n}", "workers", "--concurrency", "64", env=env, log=folder / f"worker{n}.log")
            for n in range(1, workers + 1)
        ]
        for node in (self.receiver, *self.workers):
            node.start()
        self.wait_for_receiver()

    def wait_for_receiver(self) -> None:
        _wait_for_answer(f"{self.url}/readyz")

    def kill_redis(self) -> None:
        os.kill(self.redis.pid, signal.SIGKILL)
        self.redis.stop()

    def start_redis(self) -> None:
        self.redis = EmbeddedRedis.start(self._data, clock=SystemClock())

    def close(self) -> None:
        for node in (*self.workers, self.receiver):
            node.thaw()
            node.stop()
        self.sandbox.thaw()
        self.sandbox.stop()
        self.redis.stop()

    def _start_sandbox(self, seed: int) -> tuple[Node, str]:
        log = self._folder / "sandbox.log"
        arguments = ("--port", "0", "--seed", str(seed), "--state", str(self._folder / "sandbox.state"))
        sandbox = Node("sandbox", "workers.sandbox", *arguments, env=dict(os.environ), log=log)
        sandbox.start()
        return sandbox, _announced(log)


def _announced(log: Path) -> str:
    """The address that the sandbox prints once it listens."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"listening on (http://\S+)", log.read_text("utf-8") if log.exists() else "")
        if found:
            return found[1]
        select.select([], [], [], 0.02)
    raise RuntimeError(f"the sandbox did not start: {log.read_text('utf-8')[-500:]}")


def _wait_for_answer(url: str) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        select.select([], [], [], 0.05)
    raise RuntimeError(f"no answer at {url}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
