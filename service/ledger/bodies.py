"""What was said to Acquire and what it said, redacted: of reopens that are not done, for people.

`bodies:{id}` is a list of the latest exchanges, for a week at most. It goes when its reopen is done
(archive.lua) or removed (erase.lua), so what is finished takes nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from service.ledger.scripts import ask, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from service.ledger.scripts import Scripts

P = "reopener:bodies:"
KEPT_EXCHANGES = 9
"""Those of a look, a call, and what came after; or of the latest looks."""
KEPT_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call with both its bodies: no customer's words, no address, no secret (workers/redact.py)."""

    name: str
    started_ms: int
    duration_ms: int
    http_status: int | None
    error: str | None
    timings_ms: tuple[tuple[str, int], ...]
    request: str
    answer: str


class Bodies:
    """Every method raises `LedgerUnavailable` where Redis is away."""

    def __init__(self, scripts: Scripts, connection: Redis) -> None:
        self._scripts = scripts
        self._redis = connection

    async def keep(self, reopen_id: str, exchanges: Sequence[Exchange]) -> None:
        """Add these; nothing where the reopen is done by now, or gone."""
        told = [json.dumps(asdict(exchange)) for exchange in exchanges]
        await self._scripts.run("bodies", reopen_id, packed(told), KEPT_EXCHANGES, KEPT_SECONDS)

    async def of(self, reopen_id: str) -> list[Exchange]:
        """Oldest first."""
        rows = await ask(self._redis.lrange(f"{P}{reopen_id}", 0, -1))
        return [_exchange(json.loads(row)) for row in rows]


def _exchange(told: dict[str, Any]) -> Exchange:
    return Exchange(**told | {"timings_ms": tuple((name, ms) for name, ms in told["timings_ms"])})
