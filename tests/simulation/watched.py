"""What wakes workers, as it stands in Redis: RQ's bells, the first thread that is due, and leases."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.ledger_twin import QUEUE_KEY
from tests.simulation.redis_twin import RedisTwin

WATCHED = """
local due = redis.call('ZRANGE', 'reopener:due', 0, 0, 'WITHSCORES')[2]
local account = redis.call('HMGET', 'reopener:account', 'paused', 'quarantine_until')
local breaker = redis.call('HMGET', 'reopener:breaker', 'until_ms', 'probe_until_ms')
local wanted = due and not account[1] and math.max(due, account[2] or 0, breaker[1] or 0, breaker[2] or 0)
return { redis.call('EXISTS', ARGV[1]), wanted or false, unpack(redis.call('HGETALL', 'reopener:leases')) }
"""


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
    bells, wanted_ms, *leases = server.read(WATCHED, [QUEUE_KEY])
    return Watched(server.revision, bool(bells), wanted_ms, dict(zip(leases[::2], leases[1::2], strict=True)))
