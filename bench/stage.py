"""The processes of an intake benchmark, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from bench.load import SECRET, SOURCE
from service import tether
from service.embedded import find_server

START_SECONDS = 30.0
ROOT = Path(__file__).parents[1]
CONFIG = f"""
[sources.{SOURCE}]
kind = "standard"
secret_env = "BENCH_SECRET"
"""


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """An empty Redis with AOF `everysec`; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "redis.sock"
    command = [find_server(), *("--port", "0"), *("--unixsocket", path), *("--dir", folder)]
    command += [*("--appendonly", "yes"), *("--appendfsync", "everysec"), *("--save", "")]
    with _running(command, folder / "redis.log", dict(os.environ)):
        _wait_for(lambda: _connects(socket.AF_UNIX, str(path)))
        yield f"unix://{path}"


@contextmanager
def app(name: str, folder: Path, redis_url: str, **variables: str) -> Iterator[tuple[int, int]]:
    """A twin of bench/twins.py, or our own receiver (`ours`); its port and process id."""
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "REDIS_URL": redis_url, **variables}
    if name == "ours":
        (folder / "reopener.toml").write_text(CONFIG, "utf-8")
        env |= {"BENCH_SECRET": SECRET, "REOPENER_ADMIN_TOKEN": "bench-admin-token-bench-admin"}
        env |= {"REOPENER_CONFIG": str(folder / "reopener.toml"), "REOPENER_PORT": str(port)}
        env.setdefault("REOPENER_DATA_DIR", str(folder / "data"))
        command = [sys.executable, "-m", "service", "serve"]
    else:
        command = [sys.executable, "-m", "uvicorn", f"bench.twins:{name}", "--port", str(port)]
        command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with _running(command, folder / f"{name}.log", env) as process:
        _wait_for(lambda: _connects(socket.AF_INET, ("127.0.0.1", port)))
        yield port, process.pid


def asked(port: int, path: str) -> str:
    """What an app of ours answers to a GET."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def cpu_seconds(pid: int) -> float:
    """Processor time that all threads of a process have used, in its own code and in the kernel's."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text("ascii").split()[0]) for each in threads) / 1e9


def redis_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(next(line for line in status.split("\n") if line.startswith("VmRSS")).split()[1])


@contextmanager
def _running(command: list[str | Path], log: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = tether.start(command, env=env, output=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(holds: object) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("a process of the benchmark did not start")
        time.sleep(0.02)


def _connects(family: int, address: object) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
