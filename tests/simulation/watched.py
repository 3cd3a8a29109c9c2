"""What lets workers sweep, as it stands in Redis: the first thread that is due, and leases."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.redis_twin import RedisTwin


@dataclass(slots=True)
class Watched:
    """`wanted_ms` is when a sweep would find something overdue, by Redis' clock; None for never."""

    revision: int
    wanted_ms: int | None
    leases: dict[str, str]


def watched(server: RedisTwin, before: Watched | None) -> Watched:
    """How it is now, where that is another than before."""
    if before is not None and before.revision == server.revision:
        return before
    found = server.watched()
    if type(found) is not tuple:
        return Watched(server.revision, found or None, {})
    return Watched(server.revision, found[0] or None, dict(zip(found[1::2], found[2::2], strict=True)))
