"""What people see of the ledger: lists, groups of failures, series, the audit log; on a real Redis."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from service.clock import SystemClock
from service.domain.errors import NotFound
from service.domain.ports import Claimed, Write
from service.domain.reopens import Reopen, Status
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.audit import By
from service.ledger.bodies import KEPT_EXCHANGES, Exchange
from service.ledger.heard import IN_BUCKET
from service.ledger.listing import Wanted
from service.ledger.reads import Delivery
from service.ledger.series import BAD, GOOD, IN
from service.why import why

ANNA = By("Anna", "dashboard", "because")


async def admitted(ledger: Ledger, number: int, **more: object) -> str:
    """One event of a thread of its own."""
    told = {
        "reopen_id": f"id-{number:04}",
        "source": "support",
        "event_id": f"event-{number}",
        "delivery_id": f"delivery-{number}",
        "body_hash": "",
        "ticket_id": f"t{number}",
        "contact_id": 1,
        "thread_id": 1000 + number,
        "text": "Hello",
        **more,
    }
    (row,) = await ledger.admissions.admit([Admission(**told)])
    return row.reopen_id


async def ended(ledger: Ledger, reopen_id: str, status: Status, **fields: object) -> Reopen:
    """The reopen as a worker leaves it."""
    claimed = await ledger.leases.claim(reopen_id, bell=None, token=f"token-{reopen_id}")
    assert isinstance(claimed, Claimed)
    record = replace(claimed.reopen, status=status, **fields)
    await ledger.leases.finish(claimed.lease, claimed.thread, Write(record))
    return record


async def picked(ledger: Ledger, wanted: Wanted, **how: object) -> list[str]:
    return [record.id for record in (await ledger.listing.page(wanted, **how)).reopens]


class TestFailures:
    async def test_words_that_differ_in_numbers_and_quotes_are_one_group(self, ledger: Ledger):
        """Failures of one cause are one group, whatever ids and quotes its words carry."""
        words = [f'case {n} of "customer{n}" was not found' for n in range(3)] + ["contact is gone"]
        for number, detail in enumerate(words):
            reopen_id = await admitted(ledger, number)
            await ended(ledger, reopen_id, Status.DEAD, reason="refused", detail=detail)
        groups = await ledger.failures.largest()
        assert [(group.size, group.latest.detail) for group in groups] == [
            (3, 'case 2 of "customer2" was not found'),
            (1, "contact is gone"),
        ]
        assert groups[0].first.id == "id-0000"

    async def test_a_retry_leaves_the_group(self, ledger: Ledger):
        """What is retried, cancelled or resolved counts as a failure no longer."""
        dead, held = await admitted(ledger, 1), await admitted(ledger, 2, held_for="drift", detail="a.b")
        await ended(ledger, dead, Status.DEAD, reason="refused", detail="no")
        assert {group.size for group in await ledger.failures.largest()} == {1}
        await ledger.verbs.retry(dead)
        await ledger.verbs.resolve(held, 5, 6)
        assert await ledger.failures.largest() == []

    async def test_a_group_can_be_listed_and_counted(self, ledger: Ledger):
        """A group's reopens are a list like any other."""
        for number in range(3):
            await admitted(ledger, number, held_for="drift", detail="a.b")
        await admitted(ledger, 9, held_for="author_unknown")
        (largest, _) = await ledger.failures.largest()
        wanted = Wanted(group=largest.id)
        assert await picked(ledger, wanted) == ["id-0002", "id-0001", "id-0000"]
        assert await ledger.listing.count(wanted) == 3


class TestListing:
    async def test_pages_go_on_where_the_last_ended(self, ledger: Ledger):
        """Pages show every reopen once, newest first, over all sources and statuses."""
        for number in range(7):
            await admitted(ledger, number, source=("support", "second")[number % 2])
        await ended(ledger, "id-0003", Status.REOPENED, new_case_id=77)
        seen, cursor = [], None
        for _ in range(4):
            page = await ledger.listing.page(Wanted(), cursor=cursor, limit=2)
            seen += [record.id for record in page.reopens]
            cursor = page.next_cursor
        assert seen == [f"id-{number:04}" for number in range(6, -1, -1)]
        assert cursor is None
        assert await ledger.listing.count(Wanted(source="second")) == 3

    @pytest.mark.parametrize("prefix", ["id-0002", "event-2", "t2", "1002", "77"])
    async def test_any_id_is_found_by_its_beginning(self, ledger: Ledger, prefix: str):
        """A search takes the beginning of a reopen, event, ticket, thread or case id."""
        for number in range(4):
            await admitted(ledger, number)
        await ended(ledger, "id-0002", Status.REOPENED, new_case_id=77)
        assert await picked(ledger, Wanted(prefix=prefix)) == ["id-0002"]
        assert await picked(ledger, Wanted(prefix=prefix, status=Status.DEAD)) == []

    async def test_by_reason_and_by_time(self, ledger: Ledger):
        """Reasons and times of admission narrow a list down, also where most do not match."""
        for number in range(6):
            await admitted(ledger, number, held_for="drift" if number in {1, 4} else "author_unknown")
        moment = (await ledger.reads.reopen("id-0002")).created_ms
        assert await picked(ledger, Wanted(reason="drift")) == ["id-0004", "id-0001"]
        assert await ledger.listing.count(Wanted(reason="drift")) == 2
        later = await picked(ledger, Wanted(since_ms=moment))
        earlier = await picked(ledger, Wanted(until_ms=moment))
        assert sorted(later + earlier) == [f"id-{number:04}" for number in range(6)]
        assert "id-0002" in later
        assert await picked(ledger, Wanted(since_ms=moment + 60_000)) == []


class TestArrivals:
    async def test_every_repeat_is_remembered(self, ledger: Ledger):
        """Deliveries of a known event are told with their time, and whether their body was another."""
        reopen_id = await admitted(ledger, 1)
        await admitted(ledger, 1, delivery_id="second")
        await admitted(ledger, 1, delivery_id="third", body_hash="other")
        arrivals = await ledger.reads.arrivals(reopen_id)
        assert arrivals.latest_delivery == "third"
        assert [other for _, other in arrivals.repeats] == [False, True]

    async def test_a_delivery_and_an_ignored_ticket_are_found(self, ledger: Ledger):
        """One delivery, and ignored ones of a ticket, are found among the latest."""
        await admitted(ledger, 1)
        note = Delivery("d9", "support", "e9", 1, "ignored", "agent_reply", None, ticket_id="t9")
        await ledger.account.note([note])
        for value in ("t9", "e9", "d9"):
            assert await ledger.heard.about(value) == [note]
        assert await ledger.heard.about("t") == []
        assert await ledger.heard.of_delivery("d9") == [note]
        assert await ledger.heard.of_delivery("unheard-of") == []
        (found,) = await ledger.heard.of_delivery("delivery-1")
        assert found.verdict == "accepted"

    async def test_why_nothing_happened(self, ledger: Ledger):
        """A ticket without a case: its delivery was ignored, or it may be among those that were refused."""
        notes = [
            Delivery("d1", "support", "e1", 1, "ignored", "agent_reply", None, ticket_id="t1"),
            Delivery(
                "d2", "support", None, 2, "rejected", "signature_mismatch", None, detail="another secret"
            ),
        ]
        await ledger.account.note(notes)
        ignored = await why(ledger, "t1")
        assert ignored.verdict == "t1 came in 1 delivery, and there was nothing to do."
        assert [finding.link for finding in ignored.findings] == ["/deliveries/d1"]
        unknown = await why(ledger, "t2")
        assert unknown.verdict == "Nothing is known of t2."
        assert unknown.findings[0].sentences[:2] == (
            "1 of its latest deliveries was refused, the last one for signature mismatch.",
            "another secret",
        )

    async def test_old_deliveries_fall_out_behind(self, ledger: Ledger):
        """What the stream has dropped is not found, and a bucket does not grow with one ticket."""
        note = Delivery("d1", "support", "e1", 1, "ignored", "agent_reply", None, ticket_id="busy")
        for number in range(3):
            await ledger.account.note([replace(note, id=f"{number}-{n}", event_id=None) for n in range(30)])
        assert [each.id for each in await ledger.heard.about("busy", count=2)] == ["2-29", "2-28"]
        keys = [key async for key in ledger.heard._redis.scan_iter("reopener:about:*")]
        assert max([await ledger.heard._redis.llen(key) for key in keys]) == IN_BUCKET
        await ledger.heard._redis.delete("reopener:deliveries")
        assert await ledger.heard.about("busy") == []


class TestBodies:
    async def test_of_reopens_that_are_not_done_alone(self, ledger: Ledger):
        """What was said is kept of those that somebody may ask about, the latest of it, until the end."""
        exchanges = [
            Exchange("read_case", n, 1, 500, None, (("dns", 1),), "GET /", "")
            for n in range(KEPT_EXCHANGES + 3)
        ]
        await ledger.bodies.keep("unheard-of", exchanges)
        assert await ledger.bodies.of("unheard-of") == []
        reopen_id = await admitted(ledger, 1)
        await ledger.bodies.keep(reopen_id, exchanges)
        assert await ledger.bodies.of(reopen_id) == exchanges[3:]
        await ended(ledger, reopen_id, Status.REOPENED, new_case_id=7)
        await ledger.bodies.keep(reopen_id, exchanges)  # from a worker that is late
        assert await ledger.bodies.of(reopen_id) == []


class TestSeries:
    async def test_deliveries_and_ends_are_counted_by_source(self, ledger: Ledger):
        """Every span of time tells how many deliveries came and what became of the reopens."""
        for number in range(3):
            await admitted(ledger, number)
        await admitted(ledger, 0, delivery_id="another")
        await ended(ledger, "id-0000", Status.REOPENED, new_case_id=7)
        await ended(ledger, "id-0001", Status.DEAD, reason="refused")
        for span in ("hour", "day", "month"):
            series = await ledger.series.series(span, SystemClock().now_ms())
            counts = series.by_source()["support"]
            assert counts == {"in:accepted": 3, "in:duplicate": 1, "reopened": 1, "dead": 1}
            waited_ms = series.waited_ms(0.5)
            assert waited_ms is not None
            assert 1 <= waited_ms < 60_000
        assert set(await ledger.series.heard_ms()) == {"support"}

    async def test_what_is_held_at_the_door_needs_a_person(self, ledger: Ledger):
        """An event that is held as it comes counts like one that a worker holds."""
        await admitted(ledger, 1, held_for="drift", contact_id=None, thread_id=None)
        series = await ledger.series.series("hour", SystemClock().now_ms())
        assert (series.total(*IN), series.total(*BAD), series.total(*GOOD)) == (1, 1, 0)

    async def test_the_series_ends(self, ledger: Ledger, redis_url: str):
        """Nothing of the series is kept for ever."""
        await admitted(ledger, 1)
        with Redis.from_url(redis_url) as client:
            ttls = [client.ttl(key) for key in client.scan_iter("reopener:series:*")]
        assert len(ttls) == 3
        assert all(0 < ttl <= 65 * 86_400 for ttl in ttls)


class TestAudit:
    async def test_every_verb_leaves_its_line(self, ledger: Ledger):
        """Who did what, to what and why is written by the script that does it, newest first."""
        held = await admitted(ledger, 1, contact_id=None, thread_id=None, held_for="contact_unknown")
        await ledger.verbs.resolve(held, 5, 6, by=ANNA)
        await ledger.verbs.cancel(held, by=ANNA)
        await ledger.verbs.retry(held, by=ANNA)
        await ended(ledger, held, Status.DEAD, reason="refused")
        await ledger.verbs.run_again(held, "she asked", key="again", by=ANNA)
        await ledger.verbs.pause(by=ANNA)
        await ledger.verbs.resume(by=ANNA)
        entries, cursor = await ledger.audit.latest()
        assert [(entry.what, entry.subject) for entry in entries] == [
            ("resume", "all workers"),
            ("pause", "all workers"),
            ("run again", held),
            ("retry", held),
            ("cancel", held),
            ("resolve", held),
        ]
        assert {(entry.who, entry.via, entry.why) for entry in entries} == {("Anna", "dashboard", "because")}
        assert cursor is None
        of_this = [entry.what for entry in await ledger.audit.of(held)]
        assert of_this == ["resolve", "cancel", "retry", "run again"]

    async def test_a_verb_that_lost_leaves_none(self, ledger: Ledger):
        """What was refused was not done, and the log does not say so."""
        reopen_id = await admitted(ledger, 1)
        with pytest.raises(Exception, match="queued"):
            await ledger.verbs.retry(reopen_id, by=ANNA)
        with pytest.raises(NotFound):
            await ledger.verbs.unlink("support", "no such ticket", by=ANNA)
        assert await ledger.audit.latest() == ([], None)
