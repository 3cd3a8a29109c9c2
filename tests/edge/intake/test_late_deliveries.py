"""Deliveries that waited in a spool: their place, and whether they are new, go by when they came."""

from __future__ import annotations

import pytest

from service.clock import SystemClock
from service.domain.reopens import reopen_id
from service.ledger.admission import packed_delivery
from tests.edge.events import event
from tests.edge.intake.spooling import waiting_in

DAY_MS = 86_400_000


async def test_a_late_reply_comes_before_those_received_after_it(ledger, connection):
    """What another receiver admitted meanwhile for the same thread, and nobody has begun, comes after it."""
    start_ms = SystemClock().now_ms()

    async def admit(name: str, *, age_ms: int = 0) -> None:
        packed = packed_delivery([event(name)])
        await ledger.admissions.admit_together([packed], ages_ms=[age_ms] if age_ms else ())

    await admit("begun")
    claimed = await ledger.leases.claim(reopen_id("desk", "begun"), bell=None, token="one")
    await admit("direct 1")
    await admit("direct 2")
    await admit("late 1", age_ms=60_000)
    await admit("late 2", age_ms=59_000)
    await admit("a little late", age_ms=500)
    expected = ["begun", "late 1", "late 2", "direct 1", "direct 2", "a little late"]
    assert await waiting_in(connection) == expected
    assert claimed.reopen.id == reopen_id("desk", "begun")
    records = await ledger.reads.reopens([reopen_id("desk", name) for name in expected])
    assert sorted(record.position for record in records) == [record.position for record in records]
    assert len({record.position for record in records}) == len(expected)
    assert records[1].created_ms <= start_ms - 59_000
    listed = await connection.zrange("reopener:is:desk:queued", 0, -1)
    assert [each.decode() for each in listed] == [reopen_id("desk", name) for name in expected[1:]]


async def test_who_came_at_about_the_same_time_hides_nobody(ledger, connection):
    """Two spools are emptied side by side: nobody comes before a reply that came more than a second earlier,
    also where one in between came at about the time of both.
    """
    for age_ms in (60_000, 60_800, 61_500, 61_600):
        packed = packed_delivery([event(f"{age_ms} ago")])
        await ledger.admissions.admit_together([packed], ages_ms=[age_ms])
    places = ["61500 ago", "61600 ago", "60000 ago", "60800 ago"]
    assert await waiting_in(connection) == places
    records = await ledger.reads.reopens([reopen_id("desk", name) for name in places])
    assert len({record.position for record in records}) == len(places)


@pytest.mark.parametrize(("age_ms", "rung"), [(0, 1), (9_000, 1), (60_000, 0)])
async def test_what_waited_through_an_outage_is_backlog(ledger, connection, age_ms, rung):
    """A delivery that waited for long in a spool does not ring among new replies: it is due in its turn."""
    await ledger.admissions.admit_together([packed_delivery([event("late")])], ages_ms=[age_ms])
    assert await connection.llen("rq:queue:reopener") == rung
    assert list((await ledger.sweeps.overdue()).boxes) == ["5"] * (1 - rung)


@pytest.mark.parametrize(
    ("first_age_ms", "second_age_ms", "is_one"),
    [
        (0, 0, True),
        (10_800_000, 7_300_000, True),
        (0, 3_500_000, True),
        (10_800_000, 7_100_000, False),
        (0, 3_700_000, False),
    ],
    ids=["at once", "both late", "the repeat first", "too long between", "too long before"],
)
async def test_bodies_are_one_event_by_when_they_came(ledger, first_age_ms, second_age_ms, is_one):
    """Without an id, the same body within the time of repeats is one event, however late each is admitted."""
    weak = {"weak_key": "desk:body", "weak_seconds": 3600}
    verdicts = []
    for name, age_ms in (("first", first_age_ms), ("second", second_age_ms)):
        together = await ledger.admissions.admit_together(
            [packed_delivery([event(name, **weak)])], ages_ms=[age_ms]
        )
        ((told,),) = together.outcomes
        verdicts.append(told.verdict)
    assert verdicts == ["accepted", "duplicate" if is_one else "accepted"]


async def test_a_body_that_waited_for_more_than_a_day_is_held(ledger):
    """Where nobody can know any more whether the same body came before, a person decides."""
    weak = {"weak_key": "desk:body", "weak_seconds": 3600}
    together = await ledger.admissions.admit_together(
        [packed_delivery([event("old", **weak)])], ages_ms=[2 * DAY_MS]
    )
    ((told,),) = together.outcomes
    assert (told.verdict, told.reason) == ("held", "maybe_duplicate")
