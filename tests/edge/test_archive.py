"""Reopens that are done are kept in the archive, and nobody sees a difference; on a real Redis."""

from __future__ import annotations

import pytest
from redis import Redis

from service.domain.errors import Conflict
from service.domain.reopens import Attempt, AttemptOutcome, Call, Status
from service.ledger import Ledger
from service.ledger.listing import Wanted
from tests.edge.test_retention import ended, event, set_times

ATTEMPT = Attempt(
    1,
    100,
    200,
    AttemptOutcome.REOPENED,
    200,
    None,
    (Call("reopen", 110, 80, 200, None, (("first_byte", 70),)),),
)


@pytest.fixture
def server(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True, encoding_errors="surrogateescape")


async def test_a_record_says_the_same_in_the_archive(ledger: Ledger, server: Redis):
    """What a worker wrote last is what everybody reads, and it takes one short string."""
    words = "Ça ne marche plus: \N{BROKEN HEART}"
    await ledger.admissions.admit([event(1, again_of="id-0000", again_reason="asked", text=words)])
    claimed = await ledger.leases.claim("id-0001", bell=None, token="token")
    await ledger.leases.release(claimed.lease)
    told = {"new_case_id": 1694, "attempts": (ATTEMPT,), "spent": 1, "sent": 1, "reason": "case_open"}
    await ended(ledger, "id-0001", Status.SKIPPED, **told)
    kept = await ledger.reads.reopen("id-0001")
    assert (kept.status, kept.text, kept.new_case_id, kept.attempts) == (
        Status.SKIPPED,
        words,
        1694,
        (ATTEMPT,),
    )
    assert (kept.again_of, kept.again_reason, kept.spent, kept.reason) == ("id-0000", "asked", 1, "case_open")
    assert (kept.position, kept.ticket_id, kept.contact_id, kept.thread_id) == (1, "t1", 7_001, 1_001)
    assert await ledger.leases.fetch("id-0001") == kept
    assert not server.exists("reopener:r:id-0001")
    assert server.strlen("reopener:d:id-0001") < 400


async def test_a_search_reads_no_records_but_those_it_shows(ledger: Ledger, server: Redis):
    """However many match, they are put in order, newest first, by what finds them; a filter reads on until a
    page is full.
    """
    ids = [f"id-{number:04}" for number in range(60)]
    await ledger.admissions.admit([event(number, ticket_id="t4711") for number in range(60)])
    for number, reopen_id in enumerate(ids):
        await ended(ledger, reopen_id, Status.SKIPPED if number % 2 else Status.REOPENED)
    server.config_resetstat()
    first = await ledger.listing.page(Wanted(prefix="t47"), limit=5)
    assert [record.id for record in first.reopens] == ids[:54:-1]
    assert server.info("commandstats")["cmdstat_get"]["calls"] == 5
    second = await ledger.listing.page(Wanted(prefix="t47"), cursor=first.next_cursor, limit=5)
    assert [record.id for record in second.reopens] == ids[54:49:-1]
    for wanted in (Wanted(prefix="t4711", status=Status.REOPENED), Wanted(prefix="t4711", source="support")):
        found = [record.id async for record in ledger.listing.all(wanted)]
        assert found == (ids[58::-2] if wanted.status else ids[::-1])
    assert [record async for record in ledger.listing.all(Wanted(prefix="t4711", source="second"))] == []


async def test_of_very_many_with_one_id_the_newest_are_found(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    """A search that cannot show all of a ticket's reopens shows the newest."""
    monkeypatch.setattr("service.ledger.listing.MOST_MATCHES", 10)
    await ledger.admissions.admit([event(number, ticket_id="t1") for number in range(30)])
    await ledger.admissions.admit([event(99, ticket_id="t10")])
    for number in (*range(30), 99):
        await ended(ledger, f"id-{number:04}", Status.SKIPPED)
    found = await ledger.listing.page(Wanted(prefix="t1"))
    assert [record.id for record in found.reopens] == [f"id-{number:04}" for number in range(29, 19, -1)]


async def test_repeats_of_what_is_done_are_counted(ledger: Ledger):
    """A repeat of an archived event is a duplicate that is counted and dated; another body is a conflict."""
    await ledger.admissions.admit([event(1, body_hash="a" * 64, message_key="m1")])
    await ended(ledger, "id-0001", Status.REOPENED, new_case_id=1694)
    for delivery, body in (("d2", "a"), ("d2", "a"), ("d3", "b")):
        (row,) = await ledger.admissions.admit([event(1, delivery_id=delivery, body_hash=body * 64)])
        assert (row.verdict, row.status, row.conflict) == ("duplicate", "reopened", body == "b")
    (other,) = await ledger.admissions.admit([event(2, message_key="m1")])
    assert (other.verdict, other.reopen_id, other.conflict) == ("duplicate", "id-0001", False)
    assert (await ledger.reads.reopen("id-0001")).deliveries == 4
    repeats = (await ledger.reads.arrivals("id-0001")).repeats
    assert [with_another_body for _, with_another_body in repeats] == [False, True, False]


async def test_verbs_see_what_is_done(ledger: Ledger):
    """A verb that a finished one forbids is refused with its status, as before."""
    await ledger.admissions.admit([event(1)])
    await ended(ledger, "id-0001", Status.APPENDED, new_case_id=1694)
    for verb in (ledger.verbs.retry, ledger.verbs.cancel):
        with pytest.raises(Conflict, match="it is appended"):
            await verb("id-0001")
    with pytest.raises(Conflict, match="it is appended"):
        await ledger.verbs.resolve("id-0001", 1, 2)


async def test_a_late_bell_of_what_is_done_frees_its_thread(ledger: Ledger, server: Redis):
    """A bell named after an archived reopen is taken for its thread's: the next reply rings at once."""
    await ledger.admissions.admit([event(1)])
    (bell,) = server.lrange("rq:queue:reopener", 0, -1)
    await ended(ledger, "id-0001", Status.REOPENED, new_case_id=1694)
    assert server.hexists("reopener:bells", "1001")
    await ledger.leases.claim("id-0001", bell=bell, token="late")
    assert not server.hexists("reopener:bells", "1001")


async def test_what_cannot_be_archived_is_listed_and_found(ledger: Ledger, server: Redis):
    """An id with NUL, which separates the archive's fields, keeps its reopen out of it, and nothing else."""
    await ledger.admissions.admit([event(1, event_id="a\0b"), event(2)])
    for number in (1, 2):
        await ended(ledger, f"id-{number:04}", Status.REOPENED, new_case_id=1694)
    assert server.exists("reopener:r:id-0001", "reopener:d:id-0002") == 2
    for wanted in (Wanted(status=Status.REOPENED), Wanted(prefix="id-"), Wanted(prefix="1694")):
        page = await ledger.listing.page(wanted)
        assert [record.id for record in page.reopens] == ["id-0002", "id-0001"]
    assert (await ledger.counts.stats(0)).by_status["reopened"] == 2


async def test_lists_go_through_both(ledger: Ledger, server: Redis):
    """Lists, pages, times, counts and searches cover what is at work and what is done, newest first."""
    numbers = range(400)
    await ledger.admissions.admit([event(number) for number in numbers])
    for number in numbers:
        status = (Status.REOPENED, Status.APPENDED, Status.DEAD)[number % 3]
        if number % 7:
            await ended(ledger, f"id-{number:04}", status, new_case_id=90_000 + number)
    done = [f"id-{number:04}" for number in reversed(numbers) if number % 7 and number % 3 == 0]
    everything = [f"id-{number:04}" for number in reversed(numbers)]
    for wanted, ids in (
        (Wanted(), everything),
        (Wanted(status=Status.REOPENED), done),
        (Wanted(status=Status.REOPENED, source="support"), done),
    ):
        assert [record.id async for record in ledger.listing.all(wanted)] == ids
        assert await ledger.listing.count(wanted) == len(ids)
        cursor, seen = None, []
        while True:
            page = await ledger.listing.page(wanted, cursor=cursor, limit=37)
            seen += [record.id for record in page.reopens]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == ids
    for number in (1, 300):
        for prefix in (f"id-{number:04}", f"event-{number}", f"t{number}", str(7_000 + number)):
            page = await ledger.listing.page(Wanted(prefix=prefix), limit=200)
            assert f"id-{number:04}" in [record.id for record in page.reopens]
    assert (await ledger.reads.thread(1_001)).reopens[0].id == "id-0001"


async def test_what_lies_for_a_person_holds_no_empty_fields(ledger: Ledger, server: Redis):
    """A dead reopen is a hash of what says something alone, and reads as if it had the rest."""
    await ledger.admissions.admit([event(1, body_hash="a" * 64)])
    await ended(ledger, "id-0001", Status.DEAD, reason="refused", detail="contact is gone", sent=1)
    fields = server.hgetall("reopener:r:id-0001")
    assert not [name for name, value in fields.items() if value in {"", "0"}]
    told = await ledger.reads.reopen("id-0001")
    assert (told.status, told.reason, told.sent, told.spent, told.waits) == (Status.DEAD, "refused", 1, 0, 0)
    await ledger.verbs.retry("id-0001")
    await ended(ledger, "id-0001", Status.DEAD, reason="refused", detail=None)
    assert (await ledger.reads.reopen("id-0001")).detail is None


async def test_times_are_found_in_the_archive(ledger: Ledger, server: Redis):
    """What was admitted between two times is found among archived ones as among those at work."""
    ids = [f"id-{number:04}" for number in range(300)]
    await ledger.admissions.admit([event(number) for number in range(300)])
    for reopen_id in ids:
        await ended(ledger, reopen_id, Status.REOPENED)
    for number, reopen_id in enumerate(ids):
        set_times(server, reopen_id, 1_000 * number, 0)
    for since, until in (
        (0, 299_001),
        (127_000, 129_000),
        (128_500, 128_600),
        (299_000, 999_000),
        (400_000, 500_000),
    ):
        wanted = Wanted(status=Status.REOPENED, since_ms=since, until_ms=until)
        found = [record.id async for record in ledger.listing.all(wanted)]
        assert found == [ids[n] for n in reversed(range(300)) if since <= 1_000 * n < until]
