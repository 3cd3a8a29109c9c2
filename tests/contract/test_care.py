"""What workers share of their care for Acquire, in a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest
import redis
import redis.asyncio

from bench import backlog
from service.clock import SystemClock
from service.domain.breaker import FAILURES_IN_A_ROW, FIRST_PACE, Breaker
from service.domain.errors import AccountRefused, NotAsked, ReadFailed
from service.domain.outcomes import Done, Refused, Unknown, Withheld
from service.domain.ports import Claimed, Unclaimed
from service.domain.reopens import Policy, Reopen, Status
from service.ledger import open_ledger
from service.ledger.care import Care as SharedCare
from service.ledger.care import Full, Given, Spent
from service.ledger.flow import Flow, Flows
from service.queue import Bells
from workers import throttle
from workers.careful import Careful
from workers.throttle import FIRST_PLACES, Care

LATER = 60_000


@pytest.fixture
async def connection(redis_url):
    connection = redis.asyncio.Redis.from_url(redis_url)
    yield connection
    await connection.aclose()


@pytest.fixture
def ledger(connection):
    return open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())


def _shared(ledger, rate=0.0, share=0.25):
    return SharedCare(ledger.scripts, rate_per_second=rate, retry_share=share)


async def _now_ms(connection):
    seconds, micros = await connection.time()
    return seconds * 1000 + micros // 1000


async def _pause_is_over(connection):
    await connection.hset("reopener:breaker", "until_ms", 1)


async def _state(ledger, connection):
    return (await ledger.counts.account(await _now_ms(connection))).breaker


async def test_counts_are_shared(ledger, connection):
    """Failures noted by several processes add up, and one answer ends the row."""
    one, two = _shared(ledger), _shared(ledger)
    await one.note(0, 3)
    _, calls, _ = await two.note(0, 2)
    assert (calls.row, calls.lately_failed) == (5, 5)
    _, calls, _ = await one.note(1, 0)
    assert (calls.row, calls.lately_answered, calls.lately_failed) == (0, 1, 5)


async def test_one_of_two_deciders_wins(ledger):
    """Of two processes that decide from the same state, the second changes nothing."""
    shared = _shared(ledger)
    before, _, now_ms = await shared.note(0, FAILURES_IN_A_ROW)
    assert await shared.change(before, Breaker("acquire_failing", now_ms + LATER, True, 1), "x")
    assert not await shared.change(before, Breaker("acquire_failing", now_ms + LATER, True, 1), "x")


async def test_stats_tell_the_truth(ledger, connection):
    """The breaker shows as closed, open, half open, and closed again, with the reason while it is not."""
    care = Care(_shared(ledger), SystemClock())
    assert await _state(ledger, connection) == "closed"
    for _ in range(FAILURES_IN_A_ROW):
        care.failed("it broke")
    await care.aclose()
    account = await ledger.counts.account(await _now_ms(connection))
    assert (account.breaker, account.why, account.detail) == ("open", "acquire_failing", "it broke")
    await _pause_is_over(connection)
    assert await _state(ledger, connection) == "half_open"
    care.answered()
    await care.aclose()
    await asyncio.sleep(0)
    if await _state(ledger, connection) != "closed":  # noted within a second of the last time
        care.failed("x")
        await care.aclose()
    assert await _state(ledger, connection) == "closed"


async def test_a_single_probe(redis_url, ledger, connection):
    """While it is half open, one thread at a time is claimed, also where many ask and sweep."""
    await asyncio.to_thread(backlog.admit, redis_url, 5)
    now_ms = await _now_ms(connection)
    until = await ledger.leases.stop_account("credentials_refused", now_ms + LATER, "no", probes=True)
    assert until == now_ms + LATER
    names = [str(backlog.FIRST_THREAD + n) for n in range(5)]
    refused = [await ledger.leases.claim(name, bell=None, token="t") for name in names]
    assert {claim.why for claim in refused if isinstance(claim, Unclaimed)} == {"credentials_refused"}
    assert (await ledger.sweeps.overdue()).boxes == ()
    await _pause_is_over(connection)
    await connection.zadd("reopener:due", dict.fromkeys(names, 1))
    assert len((await ledger.sweeps.overdue()).boxes) == 1
    claims = [await ledger.leases.claim(name, bell=None, token=f"t{name}") for name in names]
    assert [isinstance(claim, Claimed) for claim in claims] == [True, False, False, False, False]
    assert (await ledger.sweeps.overdue()).boxes == ()


async def test_a_shorter_pause_does_not_end_a_longer_one(ledger, connection):
    """A `Retry-After` of a second, heard by one worker, leaves a refused key as it is."""
    now_ms = await _now_ms(connection)
    stop = ledger.leases.stop_account
    await stop("credentials_refused", now_ms + LATER, "no", probes=True)
    assert await stop("throttled", now_ms + 1_000, "wait", probes=False) == now_ms + LATER
    account = await ledger.counts.account(now_ms)
    assert (account.why, account.until_ms) == ("credentials_refused", now_ms + LATER)
    assert await stop("throttled", now_ms + 2 * LATER, "wait", probes=False) == now_ms + 2 * LATER
    await _pause_is_over(connection)
    assert await _state(ledger, connection) == "half_open"


async def test_the_rate_limit(ledger):
    """Bursts of a second's worth are let through at once; then places are given out one by one, in order, and
    none that is far ahead: who comes later is not to wait behind what could not be made yet.
    """
    shared = _shared(ledger, rate=100)
    assert await shared.reserve(100) == Given(0.0)
    places = [await shared.reserve(10) for _ in range(4)]
    waits = [place.wait_seconds for place in places if isinstance(place, Given)]
    assert waits == sorted(waits)
    assert 0.05 < waits[0] <= 0.1
    assert 0.15 < waits[1] <= 0.2
    assert isinstance(places[-1], Full)
    assert 0 < places[-1].again_seconds <= 0.2


async def test_the_backlog_leaves_room_under_the_rate_limit(ledger):
    """What has waited takes a place only where a new reply's look and call are left in the bucket."""
    shared = _shared(ledger, rate=20)
    while isinstance(await shared.reserve(3, lane="backlog"), Given):
        pass
    assert await shared.reserve(3) == Given(0.0)
    full = await shared.reserve(3, lane="backlog")
    assert 0 < full.again_seconds <= 0.3


async def test_a_rate_of_less_than_a_look(ledger):
    """Where the bucket never holds a look and a call, a full one is enough, also for the backlog."""
    shared = _shared(ledger, rate=0.5)
    assert 0 < (await shared.reserve(3, lane="backlog")).wait_seconds <= 4
    assert isinstance(await shared.reserve(3), Full)


async def test_retries_have_a_budget(ledger):
    """Retries are put off once they have used up their share of the rate limit; first tries are not."""
    shared = _shared(ledger, rate=1_000, share=0.1)
    places = [await shared.reserve(100, is_retry=True) for _ in range(8)]
    put_off = [place for place in places if isinstance(place, Spent)]
    assert len(places) - len(put_off) == 5  # saved up for 5 seconds
    assert all(0 < place.later_ms <= 1_000 for place in put_off)
    assert isinstance(await shared.reserve(3), Given)


async def test_without_a_rate_limit_the_budget_follows_the_calls(ledger):
    """Without a rate limit retries get their share of what was answered."""
    shared = _shared(ledger, share=0.5)
    while isinstance(await shared.reserve(3, is_retry=True), Given):
        pass
    await shared.note(12, 0)
    places = [await shared.reserve(3, is_retry=True) for _ in range(3)]
    assert [type(place) for place in places] == [Given, Given, Spent]


async def test_new_replies_pass_the_backlog_under_the_rate_limit(ledger):
    """Of many that wait for the rate limit, a new reply is let through among the next."""
    care = Care(_shared(ledger, rate=30), SystemClock())
    passed = []

    async def pass_through(lane):
        assert await care.place(3, lane=lane) is None
        passed.append(lane)

    backlog_waits = [asyncio.create_task(pass_through("backlog")) for _ in range(30)]
    await asyncio.wait_for(asyncio.gather(*backlog_waits[:9]), 20)  # what the bucket held is used up
    before = len(passed)
    await pass_through("live")
    assert passed.index("live") - before <= 1
    for waiting in backlog_waits:
        waiting.cancel()
    await asyncio.gather(*backlog_waits, return_exceptions=True)


async def test_the_backlog_is_never_starved(ledger, monkeypatch):
    """However many new replies come, what has waited for long is in line with them."""
    monkeypatch.setattr(throttle, "PATIENCE_SECONDS", 0.2)
    care = Care(_shared(ledger, rate=30), SystemClock())

    async def come_and_come():
        while True:
            await care.place(3)

    coming = asyncio.create_task(come_and_come())
    await asyncio.sleep(0.5)
    assert await asyncio.wait_for(care.place(3, lane="backlog"), 20) is None
    coming.cancel()


class Answering:
    """An Acquire that ends every call as it is told."""

    def __init__(self, ending):
        self.ending = ending
        self.calls_made = 0

    async def read_case(self, case_id):
        self.calls_made += 1
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending

    async def send(self, sending, *, may_send):
        self.calls_made += 1
        return self.ending


@pytest.mark.parametrize(
    ("ending", "counts"),
    [
        (None, "answered"),
        (ReadFailed("no", http_status=400), "answered"),
        (ReadFailed("no", http_status=422, supported=False), "answered"),
        (ReadFailed("broke"), "failed"),
        (ReadFailed("broke", http_status=500), "failed"),
        (ReadFailed("slow", http_status=408), "failed"),
        (ReadFailed("what nobody can read", http_status=200), "failed"),
        (ReadFailed("wait", http_status=429, retry_after_seconds=3.0), "neither"),
    ],
)
async def test_what_counts_as_a_failure(ledger, ending, counts):
    """Failures of Acquire or of the way to it count; an answer that says no to one customer does not."""
    care = Care(_shared(ledger), SystemClock())
    careful = Careful(Answering(ending), care)
    for _ in range(FAILURES_IN_A_ROW + 1):
        with contextlib.suppress(ReadFailed):
            await careful.read_case(1)
    await care.aclose()
    assert (care.stopped() is not None) == (counts == "failed")


@pytest.mark.parametrize(
    ("ending", "opens"), [(Refused(400, "no"), False), (Done(1, 2), False), (Unknown("broke"), True)]
)
async def test_what_is_sent_counts_as_well(ledger, ending, opens):
    """A lost answer counts as a failure, a refusal does not; while it is open nothing is sent."""
    care = Care(_shared(ledger), SystemClock())
    acquire = Answering(ending)
    careful = Careful(acquire, care)
    for _ in range(FAILURES_IN_A_ROW):
        await careful.send(None, may_send=lambda: True)
    await care.aclose()
    last = await careful.send(None, may_send=lambda: True)
    assert isinstance(last, Withheld) == opens
    assert acquire.calls_made == (FAILURES_IN_A_ROW if opens else FAILURES_IN_A_ROW + 1)


async def test_a_retry_over_budget_is_put_off(ledger, connection):
    """A head that failed before is put off where the budget is used up, and one that did not is not."""
    care = Care(_shared(ledger), SystemClock())
    care.answered()
    careful = Careful(Answering(None), care)
    first = Reopen("r", "desk", "e", 1, Status.QUEUED, 1, 1)
    again = Reopen("r", "desk", "e", 1, Status.RETRYING, 1, 1, spent=1)
    put_off = None
    while put_off is None:
        put_off = await careful.admit(again, 1_000)
    assert put_off.why == "retry_budget"
    assert put_off.until_ms > 1_000
    assert await careful.admit(first, 1_000) is None


async def test_a_worker_that_leaves_begins_no_call(ledger):
    """Half a call time-out after a worker was asked to stop, nothing of it asks or tells Acquire any more."""
    care = Care(_shared(ledger), SystemClock())
    acquire = Answering(None)
    careful = Careful(acquire, care)
    care.leave(60)
    assert await careful.read_case(1) is None
    care.leave(0)
    with pytest.raises(NotAsked) as refused:
        await careful.read_case(1)
    assert refused.value.why == "worker_leaves"
    assert isinstance(await careful.send(None, may_send=lambda: True), Withheld)
    assert acquire.calls_made == 1


@pytest.mark.parametrize(("rate", "at_once"), [(0, 8), (100, 8), (4, 4)])
async def test_calls_come_back_at_a_pace(ledger, connection, rate, at_once):
    """After a pause the whole account makes a few calls at once, and then so many a second."""
    now_ms = await _now_ms(connection)
    await ledger.leases.stop_account("throttled", now_ms, "wait", probes=False)
    shared = _shared(ledger, rate=rate)
    places = [await shared.reserve(1) for _ in range(at_once + 4)]
    assert places[:at_once] == [Given(0.0)] * at_once
    assert places[at_once].wait_seconds > 0
    assert isinstance(places[-1], Full)


async def test_an_acquire_that_is_well_is_asked_half_as_much_after_a_retry_after(ledger, connection):
    """Where calls were answered until Acquire asked for a pause, half as many a second are a start."""
    shared = _shared(ledger)
    await shared.note(1_000, 0)
    await ledger.leases.stop_account("throttled", await _now_ms(connection), "wait", probes=False)
    before, _, _ = await shared.note(0, 0)
    assert before.pace == 50
    await connection.hset("reopener:breaker", mapping={"until_ms": 1, "changed_ms": 1})
    await ledger.leases.stop_account("throttled", await _now_ms(connection), "wait", probes=False)
    assert (await shared.note(0, 0))[0].pace == 25
    before, _, _ = await shared.note(1_000, 0)
    assert await shared.change(before, Breaker("acquire_failing", 1, True, 1, pace=FIRST_PACE), "x")
    assert (await shared.note(0, 0))[0].pace == FIRST_PACE


async def test_the_pace_is_raised_and_lifted(ledger, connection):
    """Answered calls raise it step by step, of two that decide at once one does, and then there is none."""
    await ledger.leases.stop_account("throttled", await _now_ms(connection), "wait", probes=False)
    care, shared = Care(_shared(ledger), SystemClock()), _shared(ledger)
    await connection.hset("reopener:breaker", mapping={"until_ms": 1, "paced_ms": 1})
    care.answered()
    await care.aclose()
    before, _, _ = await shared.note(0, 0)
    assert before.pace == 2 * FIRST_PACE
    assert await shared.change_pace(before, 0)
    assert not await shared.change_pace(before, 64)
    assert [await shared.reserve(1) for _ in range(50)] == [Given(0.0)] * 50


async def test_who_was_idle_asks_for_the_pace(ledger, connection):
    """Without a rate limit a process that has just heard that there is no pace does not ask; one that heard
    nothing for the length of a pause does.
    """
    care = Care(_shared(ledger), SystemClock())
    care.answered()
    await care.aclose()
    await connection.hset("reopener:breaker", "pace", FIRST_PACE)
    started = [asyncio.create_task(care.place(3)) for _ in range(20)]
    assert len((await asyncio.wait(started, timeout=0.5))[0]) == 20
    other = Care(_shared(ledger), SystemClock())
    started = [asyncio.create_task(other.place(3)) for _ in range(20)]
    assert len((await asyncio.wait(started, timeout=0.5))[0]) <= 6
    for waiting in started:
        waiting.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def test_what_is_left_shows(ledger, connection):
    """How long a call would wait, what retries may still take, and the pace after a pause are told."""
    care = _shared(ledger, rate=10.0, share=0.5)
    flows = Flows(connection, care)
    assert await flows.flow() == Flow(10.0, 0.0, 0.0, care.most, care.most)
    await connection.set("reopener:rate", (await _now_ms(connection) + 60_000) * 1000)
    assert 40 < (await flows.flow()).wait_seconds <= 59  # the burst of a second is given at once
    await connection.delete("reopener:rate")
    before = await flows.flow()
    await care.reserve(3, is_retry=True)
    after = await flows.flow()
    assert 0 < before.retry_budget_calls - after.retry_budget_calls <= 3
    await connection.hset("reopener:breaker", "pace", "8")
    assert (await flows.flow()).pace_per_second == 8


@pytest.mark.parametrize(
    "ending",
    [
        ReadFailed("wait", http_status=429, retry_after_seconds=3.0),
        AccountRefused("no", http_status=401),
    ],
)
async def test_an_acquire_that_says_no_does_not_hang(ledger, ending):
    """Where Acquire asks for a pause or refuses the key, what comes after does not wait for an answer."""
    care = Care(_shared(ledger), SystemClock())
    careful = Careful(Answering(ending), care)
    new = Reopen("r", "desk", "e", 1, Status.QUEUED, 1, 1)
    for _ in range(FIRST_PLACES):
        assert await careful.admit(new, 1_000) is None
    with pytest.raises(ReadFailed):
        await careful.read_case(1)
    assert await asyncio.wait_for(careful.admit(new, 1_000), throttle.PATIENCE_SECONDS / 2) is None


async def test_a_few_go_first(ledger):
    """Where nothing was answered lately, a few may call, and all others as soon as there is an answer."""
    care = Care(_shared(ledger), SystemClock())

    def begin():
        return asyncio.create_task(care.begin(3, is_retry=False, lane="live"))

    places = [begin() for _ in range(20)]
    done, _ = await asyncio.wait(places, timeout=0.5)
    assert len(done) == FIRST_PLACES
    care.answered()
    await asyncio.wait_for(asyncio.gather(*places), 10)
    assert await asyncio.wait_for(asyncio.gather(*[begin() for _ in range(20)]), 10) == [None] * 20


async def test_a_probe_does_not_wait_for_an_answer(ledger):
    """Once a few have failed the breaker knows, and who comes next, as its probe, goes at once."""
    care = Care(_shared(ledger), SystemClock())
    for _ in range(FIRST_PLACES):
        await care.begin(3, is_retry=False, lane="live")
    for _ in range(FAILURES_IN_A_ROW):
        care.failed("no whole answer")
    await care.aclose()
    assert care.stopped() is not None
    care._breaker = replace(care._breaker, until_ms=1)
    begun = care.begin(3, is_retry=False, lane="live")
    assert await asyncio.wait_for(begun, throttle.PATIENCE_SECONDS / 2) is None
