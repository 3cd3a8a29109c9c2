"""What it costs to have replicas and disks confirm deliveries before they are answered (docs/durability.md).

    python -m bench.durability [--seconds S] [--server PATH]

Our receiver on a Redis of its own with a replica beside it, both with an append-only file on this machine's
disk, each promise in turn: 200 deliveries a second in open loop, for the time to an answer; then 256
connections that send as fast as they are answered. The server is the tests' Valkey unless one is named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench import stage
from bench.load import Answers, closed_loop, open_loop, signed
from tests.redises import node, replicates, valkey

PROMISES: dict[str, tuple[str, dict[str, str]]] = {
    "appendfsync everysec": ("everysec", {}),
    "appendfsync always": ("always", {}),
    "everysec, wait_replicas = 1": ("everysec", {"REPLICAS": "1"}),
    "always, wait_replicas = 1": ("always", {"REPLICAS": "1"}),
    "everysec, wait_aof": ("everysec", {"AOF": "1"}),
    "always, wait_aof, wait_replicas = 1": ("always", {"AOF": "1", "REPLICAS": "1"}),
}
PER_SECOND = 200
CONNECTIONS = 256
MOST_PER_SECOND = 12_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.durability")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--server", type=Path, help="a redis-server or valkey-server of version 7.2 or newer")
    arguments = parser.parse_args()
    server, seconds = arguments.server or valkey(), arguments.seconds
    print(f"{'':<40} {'p50 ms':>8} {'p99 ms':>8} {'accepted/s':>11}")
    with tempfile.TemporaryDirectory(prefix="reopener-bench-") as folder:
        for number, (name, (appendfsync, asked)) in enumerate(PROMISES.items()):
            slow, fast = _measured(server, Path(folder) / str(number), appendfsync, asked, seconds)
            figures = f"{slow.percentile(0.5):8.1f} {slow.percentile(0.99):8.1f} {fast.per_second:11.0f}"
            refused = sum((slow.statuses + fast.statuses).values()) - slow.ok - fast.ok
            print(f"{name:<40} {figures}" + f"   {refused} refused" * bool(refused), flush=True)
    return 0


def _measured(
    server: Path, folder: Path, appendfsync: str, asked: dict[str, str], seconds: float
) -> tuple[Answers, Answers]:
    folder.mkdir()
    how = ("--appendfsync", appendfsync)
    variables = {f"REOPENER_WAIT_{name}": value for name, value in {"TIMEOUT_MS": "1400", **asked}.items()}
    with (
        node(server, folder / "master", *how) as master,
        node(server, folder / "replica", *how) as replica,
    ):
        replicates(replica, master)
        with stage.app("ours", folder, master.url, **variables) as (port, _):
            now, few = int(time.time()), int(PER_SECOND * seconds)
            slow = uvloop.run(open_loop(port, signed(0, few, now=now), per_second=PER_SECOND))
            many = signed(few, int(MOST_PER_SECOND * seconds), now=now)
            fast = uvloop.run(closed_loop(port, many, connections=CONNECTIONS, seconds=seconds))
    return slow, fast


if __name__ == "__main__":
    sys.exit(main())
