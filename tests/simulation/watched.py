"""What wakes workers, as it stands in Redis: RQ's bells, the first thread that is due, and leases."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.ledger_twin import QUEUE_KEY
from tests.simulation.redis_twin import RedisTwin


@dataclass(slots=True)
class Watched:
    """`wanted_ms` is when a sweep would find something overdue, by Redis' clock; None for never."""

    revision: int
    has_bells: bool
    wanted_ms: int | None
    leases: dict[str, str]


def watched(server: RedisTwin, before: Watched | None) -> Watched:
    """How it is now, where that is another than before."""
    if before is not None and before.revision == server.revision:
        return before
    bells, wanted_ms, *leases = server.watched(QUEUE_KEY)
    held = dict(zip(leases[::2], leases[1::2], strict=True)) if leases else {}
    return Watched(server.revision, bells, wanted_ms or None, held)
