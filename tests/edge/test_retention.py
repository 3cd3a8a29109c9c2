"""What ended long ago goes, with everything that leads to it; on a real Redis."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from redis import Redis

from service.clock import SystemClock
from service.domain.ports import Claimed, Write
from service.domain.reopens import Status
from service.domain.threads import Intent, KnownCase, with_intent
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.codec import HEAD_BYTES
from service.ledger.links import Link
from service.ledger.retention import KEEPER_KEY, LOOKED_AT, Terms
from workers.keeper import Keeper

DAY_MS = 86_400_000
TERMS = Terms(30 * DAY_MS, 365 * DAY_MS, {"support": 60_000}, frozenset({"support"}))
GROWING = (
    *("r:", "d:", "t:", "alias:", "inbox:", "is:", "find", "tree:", "leaf:", "sizes", "links", "bodies:"),
    *("message:", "same:", "halves:", "failures", "failure:", "leases", "duplicates", "bulk"),
)
"""Keys that grow with what is stored. (Others of this Redis are a site's that other tests use.)"""


@pytest.fixture
def server(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True, encoding_errors="surrogateescape")


def event(number: int, **more: object) -> Admission:
    told = {
        "reopen_id": f"id-{number:04}",
        "source": "support",
        "event_id": f"event-{number}",
        "delivery_id": f"delivery-{number}",
        "body_hash": "",
        "ticket_id": f"t{number}",
        "contact_id": 7_000 + number,
        "thread_id": 1_000 + number,
        "text": "Hello",
        **more,
    }
    return Admission(**told)


async def ended(
    ledger: Ledger, reopen_id: str, status: Status, *, cases: tuple[int, ...] = (), **fields: object
):
    """The reopen as a worker leaves it, whose look showed these cases."""
    claimed = await ledger.leases.claim(reopen_id, bell=None, token=f"token-{reopen_id}")
    assert isinstance(claimed, Claimed)
    known = {case: KnownCase(case, "closed", None, 1) for case in cases}
    thread = replace(claimed.thread, cases={**claimed.thread.cases, **known})
    write = Write(replace(claimed.reopen, status=status, **fields))
    following = await ledger.leases.finish(claimed.lease, thread, write)
    if following is not None:
        await ledger.leases.release(following.lease)


def age(server: Redis, days: int, *ids: str) -> None:
    """So long ago these were admitted, and came to their end."""
    ms = SystemClock().now_ms() - days * DAY_MS
    for reopen_id in ids:
        if server.exists(f"reopener:d:{reopen_id}"):
            set_times(server, reopen_id, ms, 0)
        else:
            server.hset(f"reopener:r:{reopen_id}", mapping={"created_ms": ms, "updated_ms": ms})


def set_times(server: Redis, reopen_id: str, created_ms: int, lasted_ms: int) -> None:
    """An archived reopen was admitted then, and took so long."""
    key = f"reopener:d:{reopen_id}"
    kept = server.get(key).encode("utf-8", "surrogateescape")
    source, _, more = kept[HEAD_BYTES:].split(b"\0", 2)
    times = created_ms.to_bytes(6, "big")
    server.set(key, b"%s%s%s\0%d\0%s" % (kept[:6], times, source, lasted_ms, more))


async def keep(ledger: Ledger, terms: Terms = TERMS) -> int:
    return await Keeper(ledger, SystemClock(), name="worker-1", terms=terms).keep()


def grown(server: Redis) -> set[str]:
    """The keys, of those that grow with what is stored."""
    names = {key.removeprefix("reopener:") for key in server.scan_iter("reopener:*", count=1000)}
    return {name for name in names if name.startswith(GROWING)}


async def test_nothing_leads_to_what_went(ledger: Ledger, server: Redis):
    """A record goes with its entries in every index, its thread with all its names, and its ticket's link."""
    await ledger.admissions.admit([event(1, message_key="m1"), event(2, message_key="m1")])
    await ended(ledger, "id-0001", Status.REOPENED, cases=(1694,), new_case_id=1694)
    await ledger.admissions.admit([event(3, thread_id=2_500)])  # a later case's id, as the next look shows
    await ledger.admissions.admit([event(4, ticket_id="t3", thread_id=1_003, contact_id=7_003)])
    await ended(ledger, "id-0004", Status.APPENDED, cases=(2_500,), new_case_id=2_500)
    await ended(ledger, "id-0003", Status.SKIPPED, new_case_id=2_500)
    await ledger.admissions.admit([event(5, thread_id=None, held_for="thread_unknown")])
    await ledger.verbs.resolve("id-0005", 9_999, 1_005)
    await ended(ledger, "id-0005", Status.DEAD, reason="refused", detail="gone")
    await ledger.admissions.admit([event(6, thread_id=None, contact_id=None, email="anna@example.com")])
    await ledger.verbs.link("support", "t6", Link(7_006, 1_006))
    await ended(ledger, "id-0006", Status.REOPENED, new_case_id=1_700)
    await ledger.verbs.cancel((await ledger.admissions.admit([event(7, held_for="drift")]))[0].reopen_id)
    ids = [f"id-{number:04}" for number in (1, 3, 4, 5, 6, 7)]
    age(server, 366, *ids)

    assert await keep(ledger) == len(ids)

    server.delete("reopener:deliveries", *server.keys("rq:*"))
    # What can be rung is found out by whoever is due: the sweeper drops these by itself.
    server.delete("reopener:bells", "reopener:due")
    assert grown(server) == {"same:id-0002"}
    assert server.pttl("reopener:same:id-0002") > 0
    assert len(server.keys("reopener:gone:*")) == len(ids) + 1, "and the reply that has an id"
    assert all(0 < server.pttl(key) <= 60_000 for key in server.keys("reopener:gone:*"))
    assert not any(server.keys(f"*{reopen_id}*") for reopen_id in ids)


async def test_a_late_repeat_of_what_went_is_a_duplicate(ledger: Ledger, server: Redis):
    """Within its helpdesk's retry schedule, an event whose record is gone makes no second case."""
    await ledger.admissions.admit([event(1, message_key="m1")])
    await ended(ledger, "id-0001", Status.REOPENED, new_case_id=1694)
    age(server, 31, "id-0001")
    assert await keep(ledger) == 1
    again, other = await ledger.admissions.admit([event(1), event(2, message_key="m1")])
    assert (again.verdict, again.reopen_id) == ("duplicate", "id-0001")
    assert other.verdict == "duplicate", "it is of the same reply"
    server.delete(*server.keys("reopener:gone:*"))
    assert (await ledger.admissions.admit([event(1)]))[0].verdict == "accepted"


async def test_what_went_is_taken_from_both_sides_of_the_law(ledger: Ledger, server: Redis):
    """Accepted stays the sum of all statuses, and what went is told beside it."""
    await ledger.admissions.admit([event(number) for number in range(1, 5)])
    for number in (1, 2):
        await ended(ledger, f"id-{number:04}", Status.REOPENED, new_case_id=1694)
    age(server, 31, "id-0001", "id-0002")
    await keep(ledger)
    stats = await ledger.counts.stats(0)
    assert stats.balanced
    assert (stats.accepted, stats.removed, stats.waiting, stats.by_status["reopened"]) == (2, 2, 2, 0)


async def test_only_what_ended_before_its_days_goes(ledger: Ledger, server: Redis):
    """Done ones go after their days, dead ones after theirs; held and waiting ones never go by themselves."""
    await ledger.admissions.admit([event(number) for number in range(1, 6)] + [event(6, held_for="drift")])
    for number, status in enumerate((Status.REOPENED, Status.REOPENED, Status.DEAD, Status.DEAD), start=1):
        await ended(ledger, f"id-{number:04}", status)
    age(server, 400, "id-0003", "id-0005", "id-0006")
    age(server, 31, "id-0001", "id-0004")
    age(server, 29, "id-0002")
    # Admitted long ago, dead for a month: it is its end that counts.
    server.hset("reopener:r:id-0004", "created_ms", "1")
    assert await keep(ledger) == 2
    left = {key.rpartition(":")[2] for key in server.keys("reopener:[rd]:*")}
    assert left == {"id-0002", "id-0004", "id-0005", "id-0006"}


async def test_one_that_seems_to_come_later_than_now_keeps_no_others(ledger: Ledger, server: Redis):
    """Where the clock was ahead for a while, what was admitted then does not keep all that came after it."""
    await ledger.admissions.admit([event(1), event(2)])
    for reopen_id in ("id-0001", "id-0002"):
        await ended(ledger, reopen_id, Status.REOPENED, new_case_id=2_000)
    age(server, -3_650, "id-0001")
    age(server, 31, "id-0002")
    assert await keep(ledger) == 1
    assert [await ledger.reads.reopen(f"id-000{number}") is None for number in (1, 2)] == [False, True]


async def test_a_thread_stays_while_something_sent_is_unsettled(ledger: Ledger, server: Redis):
    """A call whose outcome nobody knows yet keeps its thread, though its reopen goes (rule 10)."""
    await ledger.admissions.admit([event(1), event(2)])
    for number, unsettled in ((1, True), (2, False)):
        claimed = await ledger.leases.claim(f"id-{number:04}", bell=None, token="token")
        intent = Intent(f"id-{number:04}", 1, "create", frozenset(), "thread", "rx", None, 1, 2)
        thread = with_intent(claimed.thread, intent) if unsettled else claimed.thread
        await ledger.leases.finish(claimed.lease, thread, Write(replace(claimed.reopen, status=Status.DEAD)))
    age(server, 366, "id-0001", "id-0002")
    assert await keep(ledger) == 2
    assert (await ledger.reads.thread(1_001)).thread.unsettled
    assert await ledger.reads.thread(1_002) is None


async def test_many_go_in_small_steps(ledger: Ledger, server: Redis):
    """However many are due, one script looks at a bounded number, and the round comes to its end."""
    numbers = range(1, 5 * LOOKED_AT)
    await ledger.admissions.admit([event(number) for number in numbers])
    for number in numbers:
        await ledger.verbs.cancel(f"id-{number:04}")
    age(server, 366, *(f"id-{number:04}" for number in numbers if number != LOOKED_AT))
    # One in the midst that was cancelled just now does not stop the walk.
    server.hset(f"reopener:r:id-{LOOKED_AT:04}", "created_ms", "1")
    await ledger.retention.make_salt()
    after, steps = None, []
    for _ in itertools.count():
        step = await ledger.retention.retire("support", Status.CANCELLED, after, TERMS)
        steps.append(step.removed)
        after = step.following
        if after is None:
            break
    assert steps == [LOOKED_AT - 1, *[LOOKED_AT] * 3, LOOKED_AT - 1]
    assert (
        server.zcard("reopener:find") == 5
    )  # of the one that stays: its id, event, ticket, contact and thread


async def test_one_worker_is_elected(ledger: Ledger, server: Redis):
    """One worker keeps house at a time, and stays elected while it says so."""
    assert await ledger.retention.elect("worker-1")
    assert not await ledger.retention.elect("worker-2")
    server.pexpire(KEEPER_KEY, 10_000)
    assert await ledger.retention.elect("worker-1")
    assert server.pttl(KEEPER_KEY) > 10_000
