"""What the benchmarks run against: an empty Redis, the stand-in for Acquire, and processes of ours."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import redis

from service.embedded import find_server

START_LIMIT_SECONDS = 30.0
RATE_PER_SECOND = 20
"""The rate limit of a fresh installation."""

CONFIG = """
[acquire]
timeout_seconds = {timeout_seconds}
rate_per_second = {rate_per_second}
[reopen]
settle_seconds = 1
backoff_base_seconds = 0.5
[sources.desk]
kind = "standard"
secret_env = "DESK_SECRET"
"""
SECRET = "whsec_Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3M="
ADMIN_TOKEN = "bench-admin-token-bench-admin-token"


@dataclass(frozen=True)
class Told:
    """What the stand-in counted: calls, when each came (unix seconds), how many threads were reopened and how
    many doubled, and the threads in order.
    """

    calls: int
    at: list[float]
    threads: int
    doubled: int
    order: list[int]

    def middle_rate(self) -> float:
        """Calls a second between the first tenth and the last."""
        first, last = len(self.at) // 10, len(self.at) * 9 // 10
        return (last - first) / (self.at[last] - self.at[first])


class StandIn:
    """The stand-in's process (bench/standin.py), and how it is told what to do."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.standin"], stdout=subprocess.PIPE, text=True
        )
        self.url, self._control_url = _announced(self._process.stdout)

    def control(self, **settings: object) -> None:
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        _http(f"{self._control_url}/control?{query}", method="POST")

    def told(self) -> Told:
        told = _http(f"{self._control_url}/told")
        return Told(told["calls"], told["first_byte_at"], told["threads"], told["doubled"], told["order"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Redis:
    """A Redis that keeps nothing on disk, so that no disk is measured; `durable` syncs every write, as the
    embedded one does.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        socket = folder / "redis.sock"
        command = [str(find_server()), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes" if durable else "no", "--appendfsync", "always"]
        with (folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.url = f"unix://{socket}"
        self.client = redis.Redis.from_url(self.url, socket_timeout=60)
        until(lambda: socket.exists() and _answers(self.client), "Redis answers", limit_seconds=10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def scene(folder: Path, *, durable: bool = False) -> Iterator[tuple[Redis, StandIn]]:
    """An empty Redis and a stand-in for Acquire."""
    redis_server, stand_in = Redis(folder, durable=durable), StandIn()
    try:
        yield redis_server, stand_in
    finally:
        stand_in.close()
        redis_server.close()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.RedisError:
        return False


def environment(
    folder: Path, redis_url: str, acquire_url: str, *, rate_per_second: float = 0, timeout_seconds: float = 10
) -> dict[str, str]:
    """What a process of ours is told."""
    config = folder / "reopener.toml"
    config.write_text(
        CONFIG.format(rate_per_second=rate_per_second, timeout_seconds=timeout_seconds), "utf-8"
    )
    return {
        **os.environ,
        "REOPENER_CONFIG": str(config),
        "REOPENER_ADMIN_TOKEN": ADMIN_TOKEN,
        "REDIS_URL": redis_url,
        "ACQUIRE_ACCOUNT_ID": "bench",
        "ACQUIRE_API_KEY": "bench",
        "ACQUIRE_BASE_URL": acquire_url,
        "DESK_SECRET": SECRET,
    }


@contextmanager
def running(
    command: list[str], env: Mapping[str, str] | None, log: Path, *, patience_seconds: float = 15
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, stopped at the end: by SIGTERM, or by SIGKILL where that takes too long."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(holds: Callable[[], bool], what: str, *, limit_seconds: float, every_seconds: float = 0.02) -> None:
    deadline = time.monotonic() + limit_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_seconds:g} s: {what}")
        time.sleep(every_seconds)


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it, in MB, shared pages counted for each."""
    return sum(_resident_kb(each) for each in family(pid)) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time used by a process and all below it."""
    ticks = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir() if children.exists() else ():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _announced(stdout: IO[str] | None) -> list[str]:
    if stdout is None or not select.select([stdout], [], [], START_LIMIT_SECONDS)[0]:
        raise TimeoutError("the stand-in did not start")
    return stdout.readline().split()


def _http(url: str, *, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    with urllib.request.urlopen(request, timeout=30) as answer:
        told: dict[str, Any] = json.load(answer)
    return told
