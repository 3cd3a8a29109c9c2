"""Connections to Redis: one place for addresses, time limits and how often a command is repeated.

redis-py 8 repeats a failed command ten times by default, with pauses that add up to seconds; all that is
repeated here is set on purpose. Every script of the ledger may run twice (rule 14), so repeating is safe,
and only a matter of how long somebody waits for an answer.

After a failover old connections may lead to a Redis that is a replica now, for as long as they live. The
first answer that says so closes them: the next one is looked up anew, in DNS or at the sentinels.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ReadOnlyError, ResponseError
from redis.retry import Retry

SENTINEL_SCHEME = "redis+sentinel"
SENTINEL_PORT = 26379
ANSWER_SECONDS = 1.0
"""A receiver has to answer within two seconds, whatever Redis does."""
SENTINEL_SECONDS = 0.3
"""So long one sentinel is waited for, then the next is asked; an answer's second must do for several."""
PATIENT_SECONDS = 5.0
PATIENT_RETRIES = 3
CONNECTIONS = 256
BECAME_REPLICA = "this Redis is a replica now"

_SENTINEL_LIMITS = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}

Client = TypeVar("Client", redis.Redis, redis.asyncio.Redis)


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
        return _leaving_replicas(redis.asyncio.Redis.from_url(url, **options), _AsyncLeavesReplicas)
    sentinels, master, own, login = _sentinel(url)
    asked = {**login, **_SENTINEL_LIMITS, "retry": AsyncRetry(NoBackoff(), 0)}
    sentinel_class: Any = redis.asyncio.Sentinel  # untyped in redis-py
    found = sentinel_class(sentinels, sentinel_kwargs=asked, **options)
    client: redis.asyncio.Redis = found.master_for(master, connection_pool_class=_Pool, **own, **login)
    return _leaving_replicas(client, _AsyncLeavesReplicas)


def sync_client(url: str) -> redis.Redis:
    """A pool of connections for RQ. A server that died without a word is given up on after `PATIENT_SECONDS`,
    which is longer than our workers block; RQ alone would wait for most of a minute.
    """
    options = _options(url, PATIENT_SECONDS)
    options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.05), PATIENT_RETRIES)
    options["health_check_interval"] = 15
    parts = urlsplit(url)
    if parts.scheme != SENTINEL_SCHEME:
        return _leaving_replicas(redis.Redis.from_url(url, **options), _LeavesReplicas)
    sentinels, master, own, login = _sentinel(url)
    asked = {**login, **_SENTINEL_LIMITS, "retry": Retry(NoBackoff(), 0)}
    sentinel_class: Any = redis.Sentinel  # untyped in redis-py
    found = sentinel_class(sentinels, sentinel_kwargs=asked, **options)
    client: redis.Redis = found.master_for(master, **own, **login)
    return _leaving_replicas(client, _LeavesReplicas)


def fault_of(url: str) -> str | None:
    """What keeps a client from being made of this address, without repeating any of it; None where nothing
    does. Connects to nobody.
    """
    is_sentinel = urlsplit(url).scheme == SENTINEL_SCHEME
    try:
        for client in (sync_client(url), async_client(url)):
            if not is_sentinel:
                client.connection_pool.make_connection()
            if client.connection_pool.get_encoder().decode_responses:
                return "must not ask for decode_responses: what is stored is not all text"
    except (AttributeError, TypeError, ValueError, redis.RedisError):
        if is_sentinel:
            return (
                "must be redis+sentinel://host:port,host:port/master_name, with /0 for a database"
                " and ?ssl=1 for TLS behind it"
            )
        return "has something behind its question mark that a client of Redis does not take"
    return None


def words_of(error: Exception) -> str:
    """What redis-py says, but for the clients and all their settings, which it writes out where no sentinel
    answers.
    """
    return str(error).partition(" : <")[0]


class _Pool(SentinelConnectionPool):
    """Closes its connections to the sentinels too."""

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


class _AsyncLeavesReplicas:
    """Goes before a connection class of redis-py's: a server that refuses writes is left."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """In time. redis-py makes a task of its own for that, which is a tenth of what a command costs us."""
        asked: Any = super()
        me: Any = self
        if not me.is_connected:
            await asked.send_packed_command(command, check_health)
            return
        limit_seconds, me.socket_timeout = me.socket_timeout, None
        try:
            async with asyncio.timeout(limit_seconds):
                await asked.send_packed_command(command, check_health)
        except TimeoutError:
            raise redis.TimeoutError("Timeout writing to socket") from None
        finally:
            me.socket_timeout = limit_seconds

    async def read_response(self, *args: Any, **options: Any) -> Any:
        asked: Any = super()
        try:
            return await asked.read_response(*args, **options)
        except ResponseError as refused:
            if not _is_replica(refused):
                raise
            me: Any = self
            await me.disconnect(nowait=True)
            raise redis.ConnectionError(BECAME_REPLICA) from refused


class _LeavesReplicas:
    """The same, for threads."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        asked: Any = super()
        try:
            # redis-py's own connections behind sentinels would stay in use after half an answer.
            return asked.read_response(*args, **{"disconnect_on_error": True, **options})
        except ResponseError as refused:
            if not _is_replica(refused):
                raise
            me: Any = self
            me.disconnect()
            raise redis.ConnectionError(BECAME_REPLICA) from refused


def _leaving_replicas(client: Client, mixin: type) -> Client:
    pool = client.connection_pool
    pool.connection_class = type(mixin.__name__, (mixin, pool.connection_class), {})
    return client


def _is_replica(refused: ResponseError) -> bool:
    """A script's error has the server's words in it, and before Redis 7 another code before them."""
    return isinstance(refused, ReadOnlyError) or "READONLY" in str(refused)


def _options(url: str, timeout_seconds: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_connect_timeout": timeout_seconds,
        "socket_timeout": timeout_seconds,
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
    if parts.query == "ssl=1":
        own["ssl"] = True
    elif parts.query:  # to pass over what was asked for could mean a connection without TLS
        raise ValueError("REDIS_URL may have ?ssl=1 behind it, and nothing else")
    names = {"username": unquote(user) or None, "password": unquote(password) or None}
    return addresses, master, own, {name: value for name, value in names.items() if value}


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    return name, int(port or SENTINEL_PORT)
