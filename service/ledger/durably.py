"""Writes that nobody is told of before they have come as far as the settings ask: to replicas, to disks.

`WAIT` and `WAITAOF` speak of what one connection wrote (Redis 7 and newer: of its latest write alone), and a
connection that was made anew has nothing to wait for. So script and wait go over the same one, which is
never mended in between, and a write of our own comes before the wait: a script that runs twice may write
nothing, and what it wrote the first time would not be waited for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis.exceptions

from service.domain.errors import NotConfirmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection
    from redis.commands.core import AsyncScript

WAITED_KEY = "reopener:waited"
ANSWER_MARGIN_SECONDS = 0.5
"""Redis' answer to a wait may come so long after the wait's own limit."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How far a write has to have come: to the memory of so many replicas, or with `aof` to the disks of
    this Redis and of so many replicas.
    """

    replicas: int
    aof: bool
    timeout_ms: int

    def command(self) -> tuple[str | int, ...]:
        if self.aof:
            return ("WAITAOF", 1, self.replicas, self.timeout_ms)
        return ("WAIT", self.replicas, self.timeout_ms)

    def check(self, answer: Any) -> None:
        """Raise `NotConfirmed` where Redis' answer is less than was asked for."""
        disks, replicas = answer if self.aof else (1, answer)
        if disks < 1 or replicas < self.replicas:
            where = "disks" if self.aof else "replicas"
            own = f"its own disk {'has' if disks else 'has not'}, " if self.aof else ""
            raise NotConfirmed(
                f"written, but within {self.timeout_ms} ms {own}{replicas} of {self.replicas} {where} had it"
            )


@dataclass(frozen=True, slots=True)
class Written:
    """What a script answered. Nobody is to be told of it before `confirm` returned, where there is one: it is
    called once, and raises `LedgerUnavailable` where the write is not known to last.
    """

    answer: Any
    confirm: Callable[[], Awaitable[None]] | None = None


class Durably:
    """Runs scripts on a connection of their own for as long as it takes to confirm what they wrote."""

    def __init__(self, connection: Redis, wait: Wait) -> None:
        self._connection = connection
        self._wait = wait

    async def run(
        self, script: AsyncScript, args: Sequence[str | bytes | int]
    ) -> tuple[Any, Callable[[], Awaitable[None]]]:
        """What the script answers, and how to have it confirmed: that has to be called, since it gives the
        connection back. Both raise what redis-py raises.
        """
        pool: Any = self._connection.connection_pool  # untyped in redis-py
        connection: AbstractConnection = await pool.get_connection()

        async def drop(_: Exception) -> None:
            await connection.disconnect(nowait=True)

        async def confirm() -> None:
            try:
                await self._confirm(connection)
            finally:
                await pool.release(connection)

        try:
            answer = await connection.retry.call_with_retry(lambda: _run(connection, script, args), drop)
        except BaseException:
            await connection.disconnect(nowait=True)
            await pool.release(connection)
            raise
        return answer, confirm

    async def ping(self) -> None:
        """Write something, and have it confirmed."""
        pool: Any = self._connection.connection_pool  # untyped in redis-py
        connection: AbstractConnection = await pool.get_connection()
        try:
            await self._confirm(connection)
        finally:
            await pool.release(connection)

    async def _confirm(self, connection: AbstractConnection) -> None:
        if not connection.is_connected:
            raise NotConfirmed("written, but the connection broke before Redis confirmed it")
        asked = connection.pack_commands([("INCR", WAITED_KEY), self._wait.command()])
        await connection.send_packed_command(asked, check_health=False)
        limit_seconds = self._wait.timeout_ms / 1000 + ANSWER_MARGIN_SECONDS
        try:
            await connection.read_response()
            answer = await connection.read_response(timeout=limit_seconds)
        except redis.exceptions.ResponseError as refused:
            # An answer may still be to come, and would be taken for another's.
            await connection.disconnect(nowait=True)
            raise NotConfirmed(f"written, but Redis refuses to confirm it: {refused}") from refused
        if answer is None:  # redis-py says so where the time is up: this answer too may still be to come
            await connection.disconnect(nowait=True)
            raise NotConfirmed(f"written, but within {limit_seconds:g} s Redis did not say how far it came")
        self._wait.check(answer)


async def _run(connection: AbstractConnection, script: AsyncScript, args: Sequence[str | bytes | int]) -> Any:
    try:
        await connection.send_command("EVALSHA", script.sha, 0, *args)
        return await connection.read_response()
    except redis.exceptions.NoScriptError:
        await connection.send_command("SCRIPT LOAD", script.script)
        await connection.read_response()
        await connection.send_command("EVALSHA", script.sha, 0, *args)
        return await connection.read_response()
