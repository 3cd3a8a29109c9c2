"""Asking Redis and Acquire: every probe only reads, is bounded in time, and stands on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from redis import exceptions
from redis.asyncio import Redis
from rq.suspension import WORKERS_SUSPENDED
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from service.check import findings, of_redis
from service.check.finding import Finding
from service.check.of_redis import RedisState
from service.check.spool import probe_spool
from service.clock import Clock
from service.connections import SENTINEL_SCHEME, async_client, words_of
from service.ledger.sweeps import SWEEPERS_KEY
from service.queue import QUEUE_NAME
from service.settings import Secret, Settings, SettingsError

PROBE_SECONDS = 5


async def check(settings: Settings | SettingsError, *, clock: Clock) -> list[Finding]:
    """Answer all findings, in the order settings, Redis, workers, Acquire; none means nothing to mend.

    `settings` are those read for the role `tool`, which may lack anything, or the faults found in them.
    """
    if isinstance(settings, SettingsError):
        return findings.settings_faults(settings)
    in_redis, in_acquire = await asyncio.gather(
        _probe_redis(settings, clock), _probe_acquire(settings, clock)
    )
    return [*findings.judge_settings(settings), *probe_spool(settings), *in_redis, *in_acquire]


async def _probe_redis(settings: Settings, clock: Clock) -> list[Finding]:
    url = settings.redis_url
    if url is None:
        return [of_redis.redis_missing()]
    try:
        async with asyncio.timeout(PROBE_SECONDS), _client(url) as client:
            state = await _redis_state(client)
    except (exceptions.RedisError, OSError) as error:
        finding = of_redis.redis_refused if _is_refusal(error) else of_redis.redis_out_of_reach
        return [finding(_words_of(error))]
    fails_over = url.reveal().startswith(f"{SENTINEL_SCHEME}:")
    return [
        *of_redis.judge_redis(state, settings.redis, fails_over=fails_over),
        *findings.judge_redis_clock(state, now_ms=clock.now_ms()),
        *findings.judge_workers(state, now_ms=clock.now_ms()),
    ]


@asynccontextmanager
async def _client(url: Secret) -> AsyncIterator[Redis]:
    client = async_client(url.reveal())
    try:
        yield client
    finally:
        await client.aclose()


async def _redis_state(client: Redis) -> RedisState:
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.info()
        pipeline.config_get("*")
        pipeline.smembers(WORKERS_BY_QUEUE_KEY % QUEUE_NAME)
        pipeline.exists(WORKERS_SUSPENDED)
        pipeline.hvals(SWEEPERS_KEY)
        info, config, worker_keys, is_suspended, beats = await pipeline.execute(raise_on_error=False)
    for answer in (info, worker_keys, is_suspended, beats):
        if isinstance(answer, exceptions.RedisError):
            raise answer
    return RedisState(
        info=info,
        config=None if isinstance(config, exceptions.RedisError) else _as_text(config),
        # A worker that was killed stays in the set; its own key runs out.
        workers=await client.exists(*worker_keys) if worker_keys else 0,
        is_suspended=bool(is_suspended),
        sweeper_beats_ms=[int(beat) for beat in beats],
    )


def _as_text(config: dict[bytes | str, bytes | str]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in config.items()}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is_refusal(error: Exception) -> bool:
    # While connecting, redis-py wraps the server's refusal in a ConnectionError.
    refusals = exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.ResponseError
    return isinstance(error, refusals) or isinstance(error.__cause__, refusals)


async def _probe_acquire(settings: Settings, clock: Clock) -> list[Finding]:
    origin, api_key = settings.acquire.origin, settings.acquire.api_key
    if origin is None or api_key is None:
        return [findings.acquire_missing()]
    asked_at = clock.now()
    try:
        # As the workers call it: without proxies and certificates of the environment.
        client = httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False)
        async with asyncio.timeout(PROBE_SECONDS), client:
            request = client.build_request(
                "GET",
                f"{origin}/api/v1/crm/objects/case",
                params={"limit": 1},
                headers={"Authorization": f"Bearer {api_key.reveal()}"},
            )
            # Status and Date are all we want; the case in the body stays unread.
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except (httpx.HTTPError, OSError) as error:
        return [findings.acquire_out_of_reach(_words_of(error))]
    return list(
        findings.judge_acquire(
            status=answer.status_code,
            date=_date(answer),
            asked_at=asked_at,
            answered_at=clock.now(),
        )
    )


def _date(answer: httpx.Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _words_of(error: Exception) -> str:
    return words_of(error) or f"nothing within {PROBE_SECONDS} s"
