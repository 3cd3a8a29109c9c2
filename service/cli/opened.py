"""The ledger as the command line reaches it: `REDIS_URL`, or the embedded Redis of a run in this folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from redis import Redis as SyncRedis
from redis.exceptions import NoPermissionError, ResponseError

from service.cli.told import Ended
from service.clock import SystemClock
from service.connections import async_client
from service.domain.errors import LedgerUnavailable, ReopenerError
from service.ledger import Ledger, open_ledger
from service.policy import policy, wait
from service.queue import Bells
from service.settings import Settings, SettingsError, load

Result = TypeVar("Result")


def tool_settings() -> Settings:
    """Settings that may lack what only servers need."""
    try:
        return load(os.environ, role="tool", cwd=Path.cwd())
    except SettingsError as error:
        raise Ended(*error.faults, status=2) from None


def with_ledger(do: Callable[[Ledger], Awaitable[Result]], *, is_patient: bool = True) -> Result:
    """What `do` returns; every error of ours becomes a line for a person. Not patient: a Redis that does not
    answer within a second is away.
    """
    settings = tool_settings()
    if settings.redis_url is None:
        raise Ended("no Redis: set REDIS_URL, or call this in the folder of a `reopener run`", status=2)
    url = settings.redis_url.reveal()

    async def done() -> Result:
        connection = async_client(url, for_answers=not is_patient)
        try:
            clock = SystemClock()
            return await do(
                open_ledger(
                    connection, Bells(SyncRedis()), clock, policy=policy(settings), wait=wait(settings)
                )
            )
        finally:
            await connection.aclose()

    try:
        return asyncio.run(done())
    except LedgerUnavailable as away:
        if isinstance(away.__cause__, NoPermissionError):
            raise _refused(away.__cause__) from None
        raise Ended(f"Redis is away ({away}); nothing was changed as far as is known") from None
    except ReopenerError as error:
        raise Ended(str(error)) from None
    except ResponseError as refused:
        raise _refused(refused) from None


def _refused(error: ResponseError) -> Ended:
    return Ended(f"Redis refuses us: {error}; reopener check tells what is wrong")
