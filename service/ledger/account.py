"""What is known of the account's Redis, and notes of deliveries that left nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from service.ledger.admissions import KEPT_DELIVERIES
from service.ledger.heard import index
from service.ledger.scripts import ask
from service.ledger.series import add_to_series

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from service.ledger.durably import Wait
    from service.ledger.reads import Delivery

P = "reopener:"


class Account:
    """Writes that concern no single reopen. Each raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, connection: Redis, wait: Wait | None) -> None:
        self._redis = connection
        self._wait = wait

    async def note_durability(self) -> bool:
        """Note whether this Redis can forget what it confirmed: only with an AOF that is synced on every
        write, and no replica that could take over without the last ones, it cannot. And whether it can forget
        what we answered: not where `[redis]` has disk and replicas confirm it. What cannot be read (managed
        services refuse `CONFIG`) is taken for forgetful.
        """
        try:
            config = await ask(self._redis.config_get("append*"))
            is_synced = config.get("appendonly") == "yes" and config.get("appendfsync") == "always"
        except ResponseError:
            is_synced = False
        replication = await ask(self._redis.info("replication"))
        is_master, has_replicas = (
            replication.get("role") == "master",
            bool(replication.get("connected_slaves")),
        )
        waits_for_disk = self._wait is not None and self._wait.aof
        waits_for_replica = self._wait is not None and self._wait.replicas > 0
        durable = is_master and is_synced and not has_replicas
        keeps_answers = (
            is_master and (is_synced or waits_for_disk) and (waits_for_replica or not has_replicas)
        )
        told = ["durable", "1" if durable else "0", "keeps_answers", "1" if keeps_answers else "0"]
        await self._do(self._redis.hset(f"{P}account", items=told))
        return durable

    async def keeps_answers(self) -> bool:
        """Whether what Redis confirmed to us lasts, as far as `note_durability` could tell."""
        return bool(await ask(self._redis.hget(f"{P}account", "keeps_answers")) == b"1")

    async def run_id(self) -> str:
        """Which run of Redis this is: another one may have forgotten the last writes (rule 13)."""
        return str((await ask(self._redis.info("server")))["run_id"])

    async def note(self, deliveries: Sequence[Delivery]) -> None:
        """Note deliveries that made no record: ignored and rejected ones."""
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
                "detail": delivery.detail or "",
                "ticket_id": delivery.ticket_id or "",
            }
            pipe.xadd(f"{P}deliveries", fields, maxlen=KEPT_DELIVERIES, approximate=True)  # type: ignore[arg-type]
        entry_ids = await self._do(pipe.execute())
        pipe = self._redis.pipeline(transaction=False)
        for delivery, entry_id in zip(deliveries, entry_ids, strict=True):
            pipe.hincrby(f"{P}totals", f"deliveries:{delivery.verdict}", 1)
            add_to_series(pipe, delivery.received_ms, f"{delivery.source}:in:{delivery.verdict}")
            if delivery.verdict == "ignored":
                pipe.hset(f"{P}heard", delivery.source, str(delivery.received_ms))
            index(pipe, delivery, entry_id.decode())
        await self._do(pipe.execute())

    _do = staticmethod(ask)
