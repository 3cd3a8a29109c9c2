"""From a webhook to the first byte of the first call to Acquire, on a machine that has nothing else to do."""

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
from collections.abc import Callable
from pathlib import Path

from redis import Redis as SyncRedis
from rq import Queue
from rq.serializers import JSONSerializer

from bench import stack
from bench.stack import Redis, StandIn

EVENTS = 200
PAUSE_SECONDS = 0.05


def idle() -> None:
    print(f"\nidle: webhook sent to first byte of the first call, {EVENTS} times, one at a time")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, stand_in = Redis(folder), StandIn()
        try:
            ours = _ours(folder, redis, stand_in)
            pool = _pool(folder, redis, stand_in)
        finally:
            stand_in.close()
            redis.close()
        durable = _durable()
    _tell("our receiver and worker", ours)
    _tell("rq worker-pool, from enqueue on", pool)
    _tell("ours, every write synced to disk", durable)
    fifties, nineties = _cut(ours)[0] / _cut(pool)[0], _cut(ours)[1] / _cut(pool)[1]
    print(f"  p50 {fifties:.2f} and p99 {nineties:.2f} times rq worker-pool's")


def _durable() -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, stand_in = Redis(folder, durable=True), StandIn()
        try:
            return _ours(folder, redis, stand_in)
        finally:
            stand_in.close()
            redis.close()


def _ours(folder: Path, redis: Redis, stand_in: StandIn) -> list[float]:
    port = _free_port()
    env = stack.environment(folder, redis.url, stand_in.url) | {"REOPENER_PORT": str(port)}
    worker = [sys.executable, "-m", "workers", "--concurrency", "32"]
    client = http.client.HTTPConnection("127.0.0.1", port)
    with (
        stack.running([sys.executable, "-m", "service", "serve"], env, folder / "receiver.log"),
        stack.running(worker, env, folder / "worker.log"),
        contextlib.closing(client),
    ):
        ready = "receiver and worker stand"
        stack.until(lambda: _is_ready(client, redis.client), ready, limit_seconds=30)

        def send(number: int) -> None:
            body, headers = _signed(number)
            sent_at.append(time.time())
            client.request("POST", "/webhooks/desk", body, headers)
            if (answer := client.getresponse()).status != http.HTTPStatus.OK:
                raise RuntimeError(f"the receiver answered {answer.status}")
            answer.read()

        sent_at: list[float] = []
        return _latencies(stand_in, send, sent_at)


def _signed(number: int) -> tuple[bytes, dict[str, str]]:
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
    key = base64.b64decode(stack.SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event_id}.{now}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": event_id, "webhook-timestamp": now, "webhook-signature": signature}
    return body, headers | {"content-type": "application/json"}


def _pool(folder: Path, redis: Redis, stand_in: StandIn) -> list[float]:
    from bench.workers import POOL, _pool_command  # noqa: PLC0415 - that module imports this one

    queue = Queue("naive", connection=SyncRedis.from_url(redis.url), serializer=JSONSerializer)
    with stack.running(_pool_command(redis.url), None, folder / "rq.log"):
        client = redis.client
        stack.until(lambda: client.scard("rq:workers:naive") == POOL, "the pool stands", limit_seconds=60)

        def send(number: int) -> None:
            sent_at.append(time.time())
            queue.enqueue("bench.naive.reopen", stand_in.url, 9_000_000 + number, result_ttl=0)

        sent_at: list[float] = []
        return _latencies(stand_in, send, sent_at)


def _latencies(stand_in: StandIn, send: Callable[[int], None], sent_at: list[float]) -> list[float]:
    """Milliseconds from each sending to the first call after it."""
    found: list[float] = []
    for number in range(EVENTS + 20):
        stand_in.control(reset=1)
        time.sleep(PAUSE_SECONDS)
        send(number)
        stack.until(lambda: bool(stand_in.told().at), "a call", limit_seconds=10, every_seconds=0.005)
        found.append((stand_in.told().at[0] - sent_at[-1]) * 1000)
        time.sleep(PAUSE_SECONDS)
    return found[20:]


def _is_ready(client: http.client.HTTPConnection, redis: SyncRedis) -> bool:
    try:
        client.request("GET", "/readyz")
        answer = client.getresponse()
        answer.read()
    except OSError:
        client.close()
        return False
    return answer.status == http.HTTPStatus.OK and redis.scard("rq:workers:reopener") == 1


def _cut(ms: list[float]) -> tuple[float, float]:
    return statistics.median(ms), statistics.quantiles(ms, n=100)[98]


def _tell(name: str, ms: list[float]) -> None:
    fifty, ninety_nine = _cut(ms)
    print(f"  {name:34} p50 {fifty:6.2f} ms   p99 {ninety_nine:6.2f} ms   worst {max(ms):6.2f} ms")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
