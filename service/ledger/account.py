"""The account's switches: pause and resume, and notes of deliveries that left nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from service.ledger.admission import KEPT_DELIVERIES
from service.ledger.scripts import ask

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.reads import Delivery

P = "reopener:"


class Account:
    """Writes that concern no single reopen. Each raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    async def pause(self, who: str) -> None:
        """Workers take no more work; webhooks are taken all the while."""
        await self._do(self._redis.hset(f"{P}account", "paused", who))

    async def resume(self) -> None:
        await self._do(self._redis.hdel(f"{P}account", "paused"))

    async def note_durability(self) -> bool:
        """Note whether this Redis can forget what it confirmed: only with an AOF that is synced on every
        write, and no replica that could take over without the last ones, it cannot. Where that cannot be
        read (managed services refuse `CONFIG`), it is taken for forgetful.
        """
        try:
            config = await ask(self._redis.config_get("append*"))
            replication = await ask(self._redis.info("replication"))
            durable = bool(
                config.get("appendonly") == "yes"
                and config.get("appendfsync") == "always"
                and replication.get("role") == "master"
                and replication.get("connected_slaves") == 0
            )
        except ResponseError:
            durable = False
        await self._do(self._redis.hset(f"{P}account", "durable", "1" if durable else "0"))
        return durable

    async def unlink(self, source: str, ticket_id: str) -> bool:
        return bool(await self._do(self._redis.hdel(f"{P}links", f"{source}\0{ticket_id}")))

    async def note(self, deliveries: Sequence[Delivery]) -> None:
        """Note deliveries that made no record: rejected ones."""
        pipe = self._redis.pipeline(transaction=False)
        for delivery in deliveries:
            fields = {
                "id": delivery.id,
                "source": delivery.source,
                "event_id": delivery.event_id or "",
                "verdict": delivery.verdict,
                "reason": delivery.reason or "",
                "reopen_id": delivery.reopen_id or "",
                "ms": str(delivery.received_ms),
            }
            pipe.xadd(f"{P}deliveries", fields, maxlen=KEPT_DELIVERIES, approximate=True)  # type: ignore[arg-type]
            pipe.hincrby(f"{P}totals", f"deliveries:{delivery.verdict}", 1)
        await self._do(pipe.execute())

    _do = staticmethod(ask)
