"""Keeps the memory of processes from lying still, and tells what that would cost.

    python -m bench.warm PID...

The host of a virtual machine may take away memory that is not touched for a second, and give it back at the
next touch: up to 0.1 ms a page on the machine of docs/benchmarks.md. So who measures a large Redis there
measures how long it was left alone. This reads a byte of each page in turn, with what the processors have to
spare, until its parent is gone. On a machine of one's own it changes nothing.
"""

from __future__ import annotations

import mmap
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROBED_BYTES = 256 * 1024 * 1024
PROBED_PAGES = 1_000
STILL_SECONDS = 2


@contextmanager
def kept_warm(*pids: int) -> Iterator[None]:
    """Has their memory read on and on."""
    process = subprocess.Popen([sys.executable, "-m", "bench.warm", *map(str, pids)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def told() -> str:
    """What it costs here that memory lay still, in words."""
    return f"memory that lay still for {STILL_SECONDS} s: {_still_page_us():.1f} µs a page"


def _still_page_us() -> float:
    """How long it takes to read from a page that was not touched for `STILL_SECONDS`; the mean."""
    with mmap.mmap(-1, PROBED_BYTES) as memory:
        places = range(0, PROBED_BYTES, mmap.PAGESIZE)
        for place in places:
            memory[place] = 1
        time.sleep(STILL_SECONDS)
        chosen = random.sample(places, PROBED_PAGES)
        began = time.perf_counter()
        for place in chosen:
            memory[place]
        return (time.perf_counter() - began) / PROBED_PAGES * 1e6


def _read_all(pid: int) -> None:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for first, last in _regions(pid):
            with suppress(OSError):  # of a part that was given back meanwhile
                for place in range(first, last, mmap.PAGESIZE):
                    os.pread(memory.fileno(), 1, place)


def _regions(pid: int) -> Iterator[tuple[int, int]]:
    """Where the memory lies that is the process's own."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        places, rights, *_ = line.split()
        if rights == "rw-p":
            first, last = places.split("-")
            yield int(first, 16), int(last, 16)


def main() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    parent = os.getppid()
    while os.getppid() == parent:
        for pid in sys.argv[1:]:
            _read_all(int(pid))


if __name__ == "__main__":
    main()
