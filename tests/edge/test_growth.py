"""What is kept goes again, and all of it: no kind of key grows without a bound; on a real Redis."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest
from redis import Redis

from bench.constant import SOURCE, stage
from service.clock import SystemClock
from service.domain.reopens import Status
from service.ledger import Ledger
from service.ledger.admission import HalfReply
from service.ledger.links import Link
from service.ledger.retention import LOOKED_AT, Terms
from tests.edge.test_retention import DAY_MS, age, ended, event, keep, set_times
from tests.running import ROOT

FIXED = re.compile(
    r"rq:|reopener:(about:|account|audit|counts|deliveries|epoch|heard|position|refused|series:|totals)"
)
"""What does not grow with what is stored, but changes with every reopen."""
EXPIRING = re.compile(r"reopener:(gone|halves|message|same|weak):")


@pytest.fixture
def server(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True, encoding_errors="surrogateescape")


def content(server: Redis) -> dict[str, Any]:
    """All that grows with what is stored: what each key holds, and each tree of the archive."""
    found: dict[str, Any] = defaultdict(set)
    for key in server.scan_iter(count=1_000):
        if FIXED.match(key) or EXPIRING.match(key) or key.startswith("reopener:tree:"):
            continue
        if key.startswith("reopener:leaf:"):
            found[key.rpartition(":")[0]] |= set(server.zrange(key, 0, -1))
        else:
            read = {"hash": server.hgetall, "set": server.smembers, "string": server.get}
            kind = server.type(key)
            found[key] = read[kind](key) if kind in read else server.zrange(key, 0, -1, withscores=True)
    return dict(found)


def lasted_until_now(server: Redis, reopen_id: str) -> None:
    """Admitted long ago, it has ended just now."""
    age(server, 400, reopen_id)
    now_ms = SystemClock().now_ms()
    if server.exists(f"reopener:d:{reopen_id}"):
        set_times(server, reopen_id, now_ms - 400 * DAY_MS, 400 * DAY_MS)
    else:
        server.hset(f"reopener:r:{reopen_id}", "updated_ms", str(now_ms))


async def one_of_each(ledger: Ledger, first: int) -> list[str]:
    """Reopens of every way in and every end, and whatever they leave; their ids."""
    ids = [f"id-{number:04}" for number in range(first, first + 7)]
    half = HalfReply("message", f"half-{first}", 1_000_000, 3_600)
    ways: list[dict[str, object]] = [
        {"message_key": f"m{first}", "address": "anna@example.com"},
        {"weak_key": f"w{first}", "weak_seconds": 60},
        {"half": half},
        {"held_for": "drift", "detail": "a.b"},
        {"thread_id": None, "contact_id": None, "email": "anna@example.com"},
        {"thread_id": 1_000 + first, "ticket_id": f"t{first}"},
        {"thread_id": 500_000 + first},  # a later case's id
    ]
    for number, way in enumerate(ways, start=first):
        await ledger.admissions.admit([event(number, **way)])
    await ledger.admissions.admit([event(first + 90_000, message_key=f"m{first}")])
    await ended(ledger, ids[0], Status.REOPENED, cases=(800_000 + first,), new_case_id=800_000 + first)
    await ended(ledger, ids[5], Status.APPENDED, cases=(500_000 + first,), new_case_id=800_000 + first)
    await ended(ledger, ids[1], Status.DEAD, reason="refused", detail="contact is gone")
    await ended(ledger, ids[2], Status.SKIPPED)
    await ledger.verbs.cancel(ids[3])
    await ledger.verbs.link("support", f"t{first + 4}", Link(7_000 + first + 4, 1_000 + first + 4))
    await ended(ledger, ids[4], Status.REOPENED, new_case_id=810_000 + first)
    await ended(ledger, ids[6], Status.SKIPPED, new_case_id=800_000 + first)
    return ids


async def test_nothing_is_left_of_what_went(ledger: Ledger, server: Redis):
    """After retention Redis holds what it held before, however many came and went; the rest expires."""
    for reopen_id in await one_of_each(ledger, 1):
        lasted_until_now(server, reopen_id)
    before = content(server)
    for first in range(10, 310, 10):
        ids = await one_of_each(ledger, first)
        age(server, 400, *ids)
    assert len(content(server)) > 10 * len(before)
    assert await keep(ledger) == 7 * 30
    await ledger.sweeps.overdue()
    assert content(server) == before
    expiring = [key for key in server.keys("reopener:*") if EXPIRING.match(key)]
    # A reply's other events are told by its reopen while that is not done.
    assert {key for key in expiring if server.pttl(key) < 0} == set()
    assert len(expiring) > 30


async def test_very_many_go_in_small_steps(ledger: Ledger, server: Redis):
    """However many are due at once, each script removes a few, and of all of them nothing is left."""
    await ledger.retention.make_salt()
    before = content(server)
    stage(server, 2_000)
    after, removed = None, []
    while not removed or after is not None:
        step = await ledger.retention.retire(SOURCE, Status.REOPENED, after, Terms(0, 0))
        removed.append(step.removed)
        after = step.following
    assert sum(removed) == 2_000
    assert max(removed) == LOOKED_AT
    left = content(server)
    left.pop("reopener:sources")
    assert left == before


def test_every_kind_of_key_stands_in_the_table_of_what_bounds_it():
    """docs/deploy.md says of each kind of key when it goes, and tells of no others."""
    named = re.compile(r"(?:P \.\. '|\{P\}|\"reopener:)([a-z]+(?::[a-z]+)?:?)")
    code = {
        name
        for folder in ("service", "workers")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in {".py", ".lua"}
        for name in named.findall(path.read_text("utf-8"))
    }
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    table = text.partition("| keys | one for each | until |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines()[2:] for name in re.findall("`([a-z:]+)`", row.split("|")[1])}
    assert told - {"rq:"} == code
