"""What is known of alerts, and what has yet to be sent: for all receivers together.

`alerts` is a hash: `doc` is what is known, `version` counts its changes, and for each channel
`hold:{channel}` is until when its first message is somebody's (unix ms) and `tries:{channel}` how often it
was taken. `alerts:out:{channel}` lists messages that wait, oldest first; `alerts:log` how the latest sendings
ended, newest first; `alerts:turn` stands while it is somebody's turn to look; `alerts:spools` is what waits
on the disk of each receiver that has a spool.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from service.ledger.scripts import ask, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from service.ledger.scripts import Scripts

P = "reopener:alerts"
CLAIM_MS = 30_000
"""A message is its taker's for so long: longer than sending may take. Who died with it is then followed."""
MOST_TRIES = 5
MOST_WAITING = 100
SPOOL_FRESH_MS = 60_000
"""A receiver that has told nothing for so long is gone, or as far from Redis as its deliveries."""
KEPT_SENDINGS = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is ours to send, for the `tries`-th time; `given_up` where that was tried too often."""

    notice: str
    tries: int
    given_up: bool


@dataclass(frozen=True, slots=True)
class Sending:
    """How the sending of a message ended: `error` is None where the channel took it."""

    channel: str
    title: str
    state: str
    at_ms: int
    error: str | None


class Alerts:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, connection: Redis) -> None:
        self._scripts = scripts
        self._redis = connection

    async def turn(self, length_ms: int) -> bool:
        """Whether it is this process' turn to look; nobody else's for so long."""
        return bool(await ask(self._redis.set(f"{P}:turn", "1", nx=True, px=length_ms)))

    async def known(self) -> tuple[int, str]:
        """The version, and what is known."""
        version, doc = await ask(self._redis.hmget(P, ["version", "doc"]))
        return int(version or 0), (doc or b"").decode()

    async def change(self, version: int, doc: str, notices: Sequence[str], channels: Sequence[str]) -> bool:
        """Note what is known from now on, and what has to be sent, both or neither; False where somebody else
        changed it since that version.
        """
        told = (packed(list(notices)), packed(list(channels)), MOST_WAITING)
        return bool(await self._scripts.run("alert_change", version, doc, *told))

    async def take(self, channel: str) -> Taken | None:
        """The channel's first message, for us alone; None where none waits, or it is somebody else's."""
        row = await self._scripts.run("alert_take", channel, CLAIM_MS, MOST_TRIES)
        return Taken(row[0], int(row[1]), row[2] == "1") if row else None

    async def end(self, channel: str, taken: Taken, sending: Sending, *, again_ms: int) -> None:
        """Drop a message that was sent or given up; any other is tried again after `again_ms`."""
        again = "" if sending.error is None or taken.given_up else str(again_ms)
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpush(f"{P}:log", json.dumps(asdict(sending)))
        pipe.ltrim(f"{P}:log", 0, KEPT_SENDINGS - 1)
        await self._scripts.run("alert_end", channel, taken.notice, again)
        await ask(pipe.execute())

    async def tell_spool(self, receiver: str, deliveries: int, refused: int, now_ms: int) -> None:
        """Tell what waits on this receiver's disk."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(f"{P}:spools", receiver, f"{now_ms}:{deliveries}:{refused}")
        pipe.expire(f"{P}:spools", 86_400)
        await ask(pipe.execute())

    async def spooled(self, now_ms: int) -> tuple[int, int]:
        """How many deliveries wait on the disks of all receivers, and how many of them Redis refuses."""
        rows = await ask(self._redis.hvals(f"{P}:spools"))
        told = [tuple(int(part) for part in row.split(b":")) for row in rows]
        fresh = [row for row in told if now_ms - row[0] < SPOOL_FRESH_MS]
        return sum(row[1] for row in fresh), sum(row[2] for row in fresh)

    async def latest(self, limit: int = 10) -> list[Sending]:
        """How the latest sendings ended, newest first."""
        rows = await ask(self._redis.lrange(f"{P}:log", 0, limit - 1))
        return [Sending(**json.loads(row)) for row in rows]
