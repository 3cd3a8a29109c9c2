"""The service as it runs, for tests: a real server and Redis, signed deliveries. Fixtures: conftest.py."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import redis
import uvicorn

from service import server
from service.app import create_app
from service.clock import SystemClock
from service.settings import load

ROOT = Path(__file__).parents[1]
TOKEN = "token-for-tests-only-0123456789abcdef"
VIEWER_TOKEN = "viewer-token-for-tests-only-0123456789"
SECRETS = {
    "SUPPORT_SECRET": "whsec_" + base64.b64encode(b"support-support-support-").decode(),
    "SECOND_SECRET": "whsec_" + base64.b64encode(b"second-second-second-24").decode(),
    "TRIGGER_SECRET": "trigger-0123456789-abcdefghijklmnop",
    "HUBSPOT_SECRET": "hubspot-0123456789-abcdefghijklmnop",
}
CONFIG = """
[acquire]
timeout_seconds = 2
rate_per_second = 0
[reopen]
settle_seconds = 1
backoff_base_seconds = 0.1
backoff_cap_seconds = 0.5
[sources.support]
kind = "standard"
secret_env = "SUPPORT_SECRET"
[sources.second]
kind = "standard"
secret_env = "SECOND_SECRET"
[sources.trigger]
kind = "static"
auth = "header"
header = "x-secret"
secret_env = "TRIGGER_SECRET"
[sources.hubspot]
kind = "hubspot"
secret_env = "HUBSPOT_SECRET"
[sources.hubspot.map]
author = "'customer'"
"""
"""`support` and `second` sign as Standard Webhooks, `trigger` has no event id, `hubspot` sends batches."""

WAIT_SECONDS = 30.0

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Site:
    """A receiver with its API and pages on an empty Redis. No worker runs unless a test starts one."""

    origin: str
    redis: redis.Redis
    client: httpx.Client
    environment: Mapping[str, str]

    def deliver(self, body: object | bytes = None, *, source: str = "support", **how: Any) -> httpx.Response:
        """Post a signed delivery; without a body, that of a customer's reply."""
        content, headers = signed(reply() if body is None else body, **{"secret": source, **how})
        return self.client.post(f"/webhooks/{source}", content=content, headers=headers)

    def api(self, method: str, path: str, told: object = None, **options: Any) -> httpx.Response:
        """Call the API with the admin token, and `told` as the JSON body."""
        headers = {"authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        if told is not None:
            options["json"] = told
        return self.client.request(method, path, headers=headers, **options)

    def reopen(self, reopen_id: str) -> dict[str, Any]:
        """The reopen as the API tells it."""
        answer = self.api("GET", f"/api/reopens/{reopen_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def exchanges(self, reopen_id: str) -> list[dict[str, Any]]:
        """What was said in its calls, where that is kept."""
        return self.api("GET", f"/api/reopens/{reopen_id}/exchanges").json()["exchanges"]

    def stats(self) -> dict[str, Any]:
        return self.api("GET", "/api/stats").json()

    def until(self, reopen_id: str, *statuses: str) -> dict[str, Any]:
        """The reopen, as soon as it has one of the statuses."""
        return until(lambda: told if (told := self.reopen(reopen_id))["status"] in statuses else None)


@dataclass(frozen=True, slots=True)
class Whole(Site):
    """A site with workers that call the sandbox."""

    sandbox: httpx.Client

    def faults(self, *faults: dict[str, Any]) -> None:
        self.sandbox.post("/_sandbox/faults", json=list(faults)).raise_for_status()

    def empty(self) -> None:
        """Forget everything; the worker signs on with RQ again at its next heartbeat."""
        until(lambda: not self.redis.hlen("reopener:leases"))
        self.redis.flushdb()
        self.sandbox.post("/_sandbox/reset")

    def cases(self, thread_id: int | None = None) -> list[dict[str, Any]]:
        """The cases in the sandbox, root cases too."""
        query = {} if thread_id is None else {"thread_id": thread_id}
        return self.sandbox.get("/_sandbox/cases", params=query).json()["cases"]


def reply(**data: object) -> dict[str, Any]:
    """The contract's body of a customer's reply; fields of `data` changed as told, None leaves one out."""
    told = {
        "ticket_id": "4711",
        "ticket_status": "closed",
        "contact_id": 597752,
        "thread_id": 1683,
        "author": "customer",
        "message": "It broke again.",
        **data,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return {"type": "ticket.customer_replied", "timestamp": "2026-11-23T10:00:00Z", "data": known}


def signed(
    body: object | bytes,
    *,
    event_id: str = "msg_1",
    secret: str = "support",
    age_seconds: float = 0,
    **headers: str,
) -> tuple[bytes, dict[str, str]]:
    """A body and the headers that Standard Webhooks 1.0 signs it with. Written after the specification."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    key = base64.b64decode(SECRETS[f"{secret.upper()}_SECRET"].removeprefix("whsec_"))
    written = str(int(time.time() - age_seconds))
    mac = hmac.digest(key, f"{event_id}.{written}.".encode() + content, hashlib.sha256)
    told = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": written,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    return content, told | {name.replace("_", "-"): value for name, value in headers.items()}


def until(found: Callable[[], Found | None], *, limit_seconds: float = WAIT_SECONDS) -> Found:
    """What `found` answers, as soon as that is something."""
    deadline = time.monotonic() + limit_seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return answer


def environment(folder: Path, redis_url: str, *, config: str = CONFIG, **more: str) -> dict[str, str]:
    """What a process of ours is told by its environment; the configuration is written into the folder."""
    path = folder / "reopener.toml"
    path.write_text(config, "utf-8")
    return {
        "PATH": os.environ["PATH"],
        "REOPENER_CONFIG": str(path),
        "REOPENER_DATA_DIR": str(folder / "data"),
        "REOPENER_ADMIN_TOKEN": TOKEN,
        "REOPENER_VIEWER_TOKEN": VIEWER_TOKEN,
        "REDIS_URL": redis_url,
        **SECRETS,
        **more,
    }


@contextmanager
def site_on(variables: Mapping[str, str]) -> Iterator[Site]:
    """A site of these variables, served in a thread."""
    settings = load(variables, role="serve", cwd=ROOT)
    with (
        served(create_app(settings, SystemClock())) as origin,
        httpx.Client(base_url=origin, timeout=10, trust_env=False) as client,
        redis.Redis.from_url(variables["REDIS_URL"]) as connection,
    ):
        yield Site(origin, connection, client, variables)


@contextmanager
def served(app: Any, *, lifespan: str = "on") -> Iterator[str]:
    """The app on the server that we run it on; its origin. `lifespan` is "off" where the app knows none."""
    config = server.config(app, host="127.0.0.1", port=0)
    config.lifespan = lifespan
    logging.getLogger("uvicorn.access").propagate = True  # which it takes away for the whole process
    listening = config.bind_socket()
    serving = uvicorn.Server(config)
    serving.install_signal_handlers = lambda: None
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert until(lambda: serving.started or not thread.is_alive())
        assert serving.started
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        serving.should_exit = True
        thread.join(WAIT_SECONDS)
        listening.close()


@contextmanager
def process(
    *command: str, variables: Mapping[str, str], log: Path, within: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process of ours; what it says is in `log`. Killed at the end, where it still runs. It runs on
    another machine where `within` enters one (tests/network.py).
    """
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*within, sys.executable, "-u", *command],
            cwd=ROOT,
            env=dict(variables),
            stdout=output,
            stderr=output,
        ) as running,
    ):
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def sandbox(folder: Path, *options: str) -> Iterator[httpx.Client]:
    """The sandbox in a process of its own, and a client of it."""
    log = folder / "sandbox.log"
    command = ("-m", "workers.sandbox", "--port", "0", *options)
    with process(*command, variables={"PATH": os.environ["PATH"]}, log=log):
        found = until(lambda: re.search(r"listening on (\S+)\n", log.read_text("utf-8")))
        with httpx.Client(base_url=found[1], timeout=10, trust_env=False) as client:
            yield client


def account_on(acquire: httpx.Client) -> dict[str, str]:
    """The variables that have workers call this sandbox."""
    return {
        "ACQUIRE_ACCOUNT_ID": "sandbox",
        "ACQUIRE_API_KEY": "key-for-tests-only",
        "ACQUIRE_BASE_URL": str(acquire.base_url).rstrip("/"),
    }


@contextmanager
def whole_on(folder: Path, redis_url: str, **more: str) -> Iterator[Whole]:
    """A site with a worker process and the sandbox."""
    with sandbox(folder) as acquire:
        variables = environment(folder, redis_url, **account_on(acquire), **more)
        with (
            site_on(variables) as site,
            process("-m", "workers", variables=variables, log=folder / "workers.log"),
        ):
            until(lambda: site.stats().get("workers"))
            yield Whole(site.origin, site.redis, site.client, site.environment, acquire)


def everything(server: redis.Redis) -> str:
    """All that a database holds: keys, members, fields, values, also of RQ's."""
    read = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1),
        b"stream": server.xrange,
        b"none": lambda _: b"",  # it expired meanwhile
    }
    return "\n".join(f"{key!r} {read[server.type(key)](key)!r}" for key in server.scan_iter(count=1000))


def script(name: str) -> str:
    """The console script of a package that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)
