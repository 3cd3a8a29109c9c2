"""`make bench-growth`: what stays when reopens are finished, and what it costs when very many are stored.

memory    bytes of Redis for each finished reopen, all keys counted (limit 1,000)
constant  operations with 1,000 and with 1,000,000 reopens (limit 1.3 times, 2 for removing)
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sys
import tempfile
from collections import Counter
from pathlib import Path

import redis
from redis.asyncio import Redis as AsyncRedis

from bench import stack
from bench.constant import constant
from service.clock import SystemClock
from service.domain.reopens import Policy, reopen_id
from service.ledger import open_ledger
from service.ledger.admission import Admission
from service.queue import Bells

SOURCE = "desk"
AT_ONCE = 200
MEMORY_LIMIT_BYTES = 1_000
IN_FLIGHT = 64
SAMPLED = 400


def admission(number: int) -> Admission:
    """A reply as the receiver admits it: every id as long as in life, a thread and a contact of its own."""
    event_id = f"msg_{hashlib.sha256(str(number).encode()).hexdigest()[:27]}"
    return Admission(
        reopen_id=reopen_id(SOURCE, event_id),
        source=SOURCE,
        event_id=event_id,
        delivery_id=f"{hashlib.sha256(event_id.encode()).hexdigest()[:16]}.0",
        body_hash=hashlib.sha256(event_id.encode()).hexdigest(),
        ticket_id=str(4_000_000 + number),
        contact_id=5_000_000 + number,
        thread_id=20_000_000 + 7 * number,
        text=f"Hello, since this morning it is broken again, for the {number}th time. " * 3,
    )


async def admit(redis_url: str, numbers: range) -> None:
    connection = AsyncRedis.from_url(redis_url)
    ledger = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
    for start in range(numbers.start, numbers.stop, AT_ONCE):
        last = min(start + AT_ONCE, numbers.stop)
        await ledger.admissions.admit([admission(number) for number in range(start, last)])
    await connection.aclose()


def await_finished(client: redis.Redis, count: int) -> None:
    size = f"done:{SOURCE}:reopened"
    stack.until(
        lambda: int(client.hget("reopener:sizes", size) or 0) >= count, "all finished", limit_seconds=240
    )


def memory(count: int = 10_000) -> bool:
    """Two rounds: in the first the bounded keys (the latest deliveries, for one) grow to their bounds too."""
    print(f"\nmemory of {count:,} finished reopens, each of a thread of its own")
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        server, stand_in = stack.Redis(folder), stack.StandIn()
        try:
            env = stack.environment(folder, server.url, stand_in.url)
            command = [sys.executable, "-m", "workers", "--concurrency", str(IN_FLIGHT)]
            used = [_used(server.client)]
            for number in range(2):
                first = number * count
                asyncio.run(admit(server.url, range(first, first + count)))
                with stack.running(command, env, folder / "worker.log"):
                    await_finished(server.client, first + count)
                used.append(_used(server.client))
            each = [(after - before) / count for before, after in itertools.pairwise(used)]
            _print_by_name(server.client, 2 * count)
        finally:
            stand_in.close()
            server.close()
    print(f"  the first {count:,}: {each[0]:6.0f} bytes a reopen (limit {MEMORY_LIMIT_BYTES:,})")
    print(f"  the next {count:,}:  {each[1]:6.0f} bytes a reopen")
    return max(each) <= MEMORY_LIMIT_BYTES


def _used(client: redis.Redis) -> int:
    client.memory_purge()
    return int(client.info("memory")["used_memory"])


def _print_by_name(client: redis.Redis, count: int) -> None:
    """What each kind of key takes, from a sample of each."""
    sampled: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for key in client.scan_iter(count=1_000):
        name = ":".join(key.decode("utf-8", "replace").split(":")[:2])
        seen[name] += 1
        if seen[name] <= SAMPLED:
            sampled[name] += int(client.memory_usage(key, samples=0) or 0)
    for name, total in sampled.most_common(12):
        whole = total / min(seen[name], SAMPLED) * seen[name]
        if whole / count >= 1:
            print(f"    {name:28} {seen[name]:8,} keys {whole / count:8.1f} bytes a reopen")


PARTS = {"memory": memory, "constant": constant}


def main() -> int:
    asked = sys.argv[1:] or list(PARTS)
    held = [PARTS[name]() for name in asked]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
