"""From a webhook to the first byte of the first call to Acquire, on a machine that has nothing else to do.

All that is compared stands at the same time, and each gets an event in turn. The naive service is what one
would write first: a Starlette webhook that verifies and enqueues (bench/twins.py), and `rq worker-pool`. What
that pool takes from `enqueue` on, without any webhook, is told beside it.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from bench import rqs, stack, stage
from bench.load import SECRET_BYTES
from bench.stack import Redis, StandIn

EVENTS, EVENTS_SHORT = 200, 30
EVENTS_BEFORE = 20
"""Not counted: imports, connections and caches."""
PAUSE_SECONDS = 0.05
ROUND_SECONDS = 0.25
"""Three calls so often stay below the rate limit."""

Send = Callable[[int], float]
"""Sends event number so and so, and tells when (unix seconds) the first of it left."""


def idle(*, short: bool) -> None:
    events = EVENTS_SHORT if short else EVENTS
    print(f"\nidle: webhook sent to first byte of the first call, {events} times, one at a time, in turn")
    with tempfile.TemporaryDirectory() as name, stack.scene(Path(name)) as (server, stand_in):
        folder = Path(name)
        with _ours(folder, server, stand_in) as ours, _naive(folder, server, stand_in) as (naive, bare):
            senders = {
                "our receiver and worker": ours,
                "naive webhook, rq worker-pool": naive,
                "rq worker-pool, from enqueue on": bare,
            }
            found = _latencies(stand_in, senders, events)
    with (
        tempfile.TemporaryDirectory() as name,
        stack.scene(Path(name), durable=True) as (server, stand_in),
        _ours(Path(name), server, stand_in) as ours,
    ):
        found |= _latencies(stand_in, {"ours, every write synced to disk": ours}, events)
    cuts = {name: _cut(ms) for name, ms in found.items()}
    for name, (fifty, ninety_nine) in cuts.items():
        print(
            f"  {name:34} p50 {fifty:6.2f} ms   p99 {ninety_nine:6.2f} ms   worst {max(found[name]):6.2f} ms"
        )
    us, *others, _ = cuts.values()
    for name, other in zip(list(cuts)[1:], others, strict=False):
        print(f"  p50 {us[0] / other[0]:.2f} and p99 {us[1] / other[1]:.2f} times those of {name}")


@contextmanager
def _ours(folder: Path, server: Redis, stand_in: StandIn) -> Iterator[Send]:
    port = _free_port()
    env = stack.environment(folder, server.url, stand_in.url, rate_per_second=stack.RATE_PER_SECOND)
    env["REOPENER_PORT"] = str(port)
    client = http.client.HTTPConnection("127.0.0.1", port)
    with (
        stack.running([sys.executable, "-m", "service", "serve"], env, folder / "receiver.log"),
        stack.running([sys.executable, "-m", "workers"], env, folder / "worker.log"),
        contextlib.closing(client),
    ):
        stack.until(lambda: _is_ready(client, server.client), "receiver and worker stand", limit_seconds=30)
        key = base64.b64decode(stack.SECRET.removeprefix("whsec_"))
        yield partial(_post, client, "/webhooks/desk", key)


@contextmanager
def _naive(folder: Path, server: Redis, stand_in: StandIn) -> Iterator[tuple[Send, Send]]:
    queue = Queue("naive", connection=redis.Redis.from_url(server.url), serializer=JSONSerializer)
    with (
        stack.running(rqs.pool_command(server.url), None, folder / "rq.log"),
        stage.app("naive", folder, server.url, ACQUIRE_BASE_URL=stand_in.url) as (port, _),
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as client,
    ):
        stack.until(
            lambda: server.client.scard("rq:workers:naive") == rqs.POOL, "the pool stands", limit_seconds=60
        )
        yield (
            partial(_post, client, "/webhooks/desk", SECRET_BYTES),
            lambda number: _enqueue(queue, stand_in.url, number),
        )


def _post(client: http.client.HTTPConnection, path: str, key: bytes, number: int) -> float:
    """A customer's reply of a thread of its own, signed as Standard Webhooks 1.0 says."""
    event_id, now = f"idle-{number}-{time.time_ns()}", str(int(time.time()))
    data = {
        "ticket_id": event_id,
        "ticket_status": "closed",
        "contact_id": 5,
        "thread_id": 5_000_000 + number,
    }
    data |= {"author": "customer", "message": "It broke again."}
    body = json.dumps({"type": "ticket.customer_replied", "data": data}).encode()
    digest = hmac.digest(key, f"{event_id}.{now}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": event_id, "webhook-timestamp": now, "webhook-signature": signature}
    sent_at = time.time()
    client.request("POST", path, body, headers | {"content-type": "application/json"})
    if (answer := client.getresponse()).status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path} answered {answer.status}")
    answer.read()
    return sent_at


def _enqueue(queue: Queue, acquire_url: str, number: int) -> float:
    sent_at = time.time()
    queue.enqueue("bench.naive.reopen", acquire_url, 5_000_000 + number, result_ttl=0)
    return sent_at


def _latencies(stand_in: StandIn, senders: dict[str, Send], events: int) -> dict[str, list[float]]:
    """Milliseconds from each sending to the first call after it."""
    found: dict[str, list[float]] = {name: [] for name in senders}
    for number in range(events + EVENTS_BEFORE):
        next_at = time.monotonic() + ROUND_SECONDS
        for name, send in senders.items():
            stand_in.control(reset=1)
            time.sleep(PAUSE_SECONDS)
            sent_at = send(number)
            time.sleep(PAUSE_SECONDS)  # nobody asks the stand-in while it is timed
            stack.until(lambda: bool(stand_in.told().at), "a call", limit_seconds=10)
            found[name].append((stand_in.told().at[0] - sent_at) * 1000)
        time.sleep(max(0.0, next_at - time.monotonic()))
    return {name: ms[EVENTS_BEFORE:] for name, ms in found.items()}


def _is_ready(client: http.client.HTTPConnection, redis_client: redis.Redis) -> bool:
    try:
        client.request("GET", "/readyz")
        answer = client.getresponse()
        answer.read()
    except OSError:
        client.close()
        return False
    return answer.status == http.HTTPStatus.OK and redis_client.scard("rq:workers:reopener") == 1


def _cut(ms: list[float]) -> tuple[float, float]:
    return statistics.median(ms), statistics.quantiles(ms, n=100)[98]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
