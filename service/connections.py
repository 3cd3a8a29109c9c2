"""Connections to Redis: one place for addresses, time limits and how often a command is repeated.

redis-py 8 repeats a failed command ten times by default, with pauses that add up to seconds; all that is
repeated here is set on purpose. Every script of the ledger may run twice (rule 14), so repeating is safe,
and only a matter of how long somebody waits for an answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

SENTINEL_SCHEME = "redis+sentinel"
SENTINEL_PORT = 26379
ANSWER_SECONDS = 1.0
"""A receiver has to answer within two seconds, whatever Redis does."""
PATIENT_SECONDS = 5.0
PATIENT_RETRIES = 3
CONNECTIONS = 256


def async_client(url: str, *, for_answers: bool = False) -> redis.asyncio.Redis:
    """A pool of connections for asyncio. `for_answers`: somebody waits, so nothing is repeated."""
    options = _options(url, ANSWER_SECONDS if for_answers else PATIENT_SECONDS)
    options["retry"] = (
        AsyncRetry(NoBackoff(), 0)
        if for_answers
        else AsyncRetry(ExponentialBackoff(cap=0.5, base=0.05), PATIENT_RETRIES)
    )
    options["max_connections"] = CONNECTIONS
    parts = urlsplit(url)
    if parts.scheme != SENTINEL_SCHEME:
        return redis.asyncio.Redis.from_url(url, **options)
    sentinels, master, own, login = _sentinel(url)
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    sentinel_class: Any = redis.asyncio.Sentinel  # untyped in redis-py
    client: redis.asyncio.Redis = sentinel_class(
        sentinels, sentinel_kwargs={**timeouts, **login}, **options
    ).master_for(master, **own, **login)
    return client


def sync_client(url: str) -> redis.Redis:
    """A pool of connections for RQ. No read limit shorter than its blocking commands, which set their own."""
    options = _options(url, None)
    options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.05), PATIENT_RETRIES)
    options["health_check_interval"] = 15
    parts = urlsplit(url)
    if parts.scheme != SENTINEL_SCHEME:
        return redis.Redis.from_url(url, **options)
    sentinels, master, own, login = _sentinel(url)
    limits = {"socket_timeout": PATIENT_SECONDS, "socket_connect_timeout": PATIENT_SECONDS}
    sentinel_class: Any = redis.Sentinel  # untyped in redis-py
    client: redis.Redis = sentinel_class(
        sentinels, sentinel_kwargs={**limits, **login}, **options
    ).master_for(master, **own, **login)
    return client


def _options(url: str, timeout_seconds: float | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_connect_timeout": timeout_seconds or PATIENT_SECONDS,
        "socket_timeout": timeout_seconds,
        "client_name": "reopener",
    }
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    return options


def _sentinel(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any], dict[str, Any]]:
    """`redis+sentinel://[user:password@]host[:port],host[:port]/master[/db][?ssl=1]`, taken apart."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    addresses = [_address(host) for host in hosts.split(",") if host]
    master, _, db = parts.path.strip("/").partition("/")
    if not addresses or not master:
        raise ValueError("REDIS_URL must be redis+sentinel://host:port,host:port/master_name[/db]")
    own: dict[str, Any] = {"db": int(db or 0)}
    if parse_qs(parts.query).get("ssl") == ["1"]:
        own["ssl"] = True
    names = {"username": unquote(user) or None, "password": unquote(password) or None}
    return addresses, master, own, {name: value for name, value in names.items() if value}


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    return name, int(port or SENTINEL_PORT)
