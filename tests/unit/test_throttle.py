"""Care for Acquire as one process keeps to it, beside what all of them decide together."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.domain.breaker import FAILURES_IN_A_ROW, FIRST_PACE, PACE_MS, Breaker, Calls
from service.domain.errors import LedgerUnavailable
from service.domain.ports import Full, Given, Later, Spent
from tests.clocks import HandClock
from workers import throttle
from workers.throttle import FIRST_PLACES, LEAVING, LONGEST_SPREAD_MS, NOTE_SECONDS, PATIENCE_SECONDS, Care

CLOCK = HandClock()
NOW_MS = CLOCK.now_ms()
GIVEN, CLOSED = Given(0.0), Breaker()


async def _at_once():
    pass


class Shared:
    """What the account's ledger says: no rate limit, this breaker, and this place for whoever asks."""

    rate = 0.0

    def __init__(self, place=GIVEN, breaker=CLOSED) -> None:
        self.place, self.breaker = place, breaker
        self.asked: list[bool] = []
        self.noted: list[tuple[int, int]] = []
        self.when_asked = lambda: None
        self.when_noted = _at_once
        self.is_first = True
        self.now_ms = NOW_MS

    async def reserve(self, calls, *, is_retry, lane):
        self.asked.append(is_retry)
        self.when_asked()
        return self.place

    def wanted(self, calls, lane):
        return (calls, lane)

    async def change(self, before, to, detail):
        return self.is_first

    async def change_pace(self, before, pace):
        return self.is_first

    async def note(self, answered, failed):
        self.noted.append((answered, failed))
        await self.when_noted()
        return self.breaker, Calls(answered, failed, failed, answered, failed), self.now_ms


async def _known(shared):
    """Care that has just learnt how the account is."""
    care = Care(shared, CLOCK)
    care.answered()
    await asyncio.sleep(0)
    await care.aclose()
    return care


async def test_a_retry_asks_for_its_budget_where_there_is_no_limit():
    """Without a rate limit first calls ask nobody; retries do, since their budget is the account's."""
    shared = Shared()
    care = await _known(shared)
    assert await care.place(3) is None
    assert shared.asked == []
    assert await care.place(3, is_retry=True) is None
    assert shared.asked == [True]


async def test_a_pace_is_a_limit_too():
    """While the account keeps a pace after a pause, first calls ask as well."""
    shared = Shared(breaker=Breaker(pace=8.0, paced_ms=NOW_MS, changed_ms=NOW_MS))
    care = await _known(shared)
    assert await care.place(3) is None
    assert shared.asked == [False]


async def test_a_place_is_no_leave_to_call_where_all_stopped_meanwhile():
    """What stopped while a place was asked for is seen before the call."""
    shared = Shared()
    care = Care(shared, CLOCK)
    shared.when_asked = lambda: care.leave(0.0)
    assert await care.place(3, is_retry=True) == Later(NOW_MS, LEAVING)


@pytest.mark.parametrize("ends", [lambda care: care.leave(0.0), lambda care: care.give_up_places()])
async def test_who_waits_for_room_is_told_when_there_will_be_none(ends):
    """Where all stopped, or this process leaves, nobody asks for a place over and over."""
    shared = Shared(Full(0.001))
    care = Care(shared, CLOCK)

    def asked():
        assert len(shared.asked) == 1
        ends(care)

    shared.when_asked = asked
    assert await care.place(3) == Later(NOW_MS, LEAVING)


async def test_retries_whose_budget_is_spent_come_back_apart():
    """They would all ask in the same moment otherwise, and be as many as before."""
    care = Care(Shared(Spent(2_000)), CLOCK)
    later = [await care.place(3, is_retry=True) for _ in range(20)]
    waits_ms = {each.until_ms - NOW_MS for each in later}
    assert {each.why for each in later} == {"retry_budget"}
    assert 2_000 <= min(waits_ms) < max(waits_ms) <= 2_000 + LONGEST_SPREAD_MS


async def test_who_is_put_off_gives_its_first_place_to_the_next():
    """Where Acquire has been silent a few go first: those that do not go after all are none of them."""
    care = Care(Shared(Spent(2_000)), CLOCK)
    async with asyncio.timeout(2):
        for _ in range(2 * FIRST_PLACES):
            later = await care.begin(3, is_retry=True, lane="live")
            assert later is not None


async def test_who_leaves_begins_no_call_later_than_it_said_first():
    """A second signal gives no more time than the first one."""
    care = Care(Shared(), CLOCK)
    care.leave(60.0)
    assert care.stopped() is None
    care.leave(0.0)
    assert care.stopped() == Later(NOW_MS, LEAVING)
    care.leave(60.0)
    assert care.stopped() == Later(NOW_MS, LEAVING)


@pytest.fixture
def clock(monkeypatch):
    """A clock of this test alone. Who waits looks at it often."""
    monkeypatch.setattr(throttle, "WARMING_SECONDS", 0.001)
    return HandClock()


async def _cold(clock):
    """Care of an Acquire that is silent, with all of the few under way that go first."""
    care = Care(Shared(), clock)
    for _ in range(FIRST_PLACES):
        assert await care.begin(3, GIVEN, is_retry=False, lane="live") is None
        assert care.wanted(3, "live") is not None
    assert care.wanted(3, "live") is None
    return care


def _begin(care, lane="live"):
    return asyncio.create_task(care.begin(3, is_retry=False, lane=lane))


async def test_who_waited_long_enough_for_a_first_answer_goes_without_it(clock):
    """An Acquire that never answers is asked again all the same, by one after the other."""
    care = await _cold(clock)
    first, second = _begin(care), _begin(care)
    await asyncio.sleep(0)
    clock.moment += timedelta(seconds=PATIENCE_SECONDS)
    assert await asyncio.wait_for(first, 10) is None
    done, _ = await asyncio.wait([second], timeout=20 * throttle.WARMING_SECONDS)
    assert not done
    clock.moment += timedelta(seconds=PATIENCE_SECONDS)
    assert await asyncio.wait_for(second, 10) is None


async def test_nobody_waits_for_a_first_answer_where_all_stopped(clock):
    """Where Acquire is to be left alone meanwhile, who waits is told so at once."""
    care = await _cold(clock)
    waiting = _begin(care)
    await asyncio.sleep(0)
    care.leave(0.0)
    assert await asyncio.wait_for(waiting, 10) == Later(care._now_ms(), LEAVING)


async def test_who_gives_up_its_places_waits_for_no_first_answer(clock):
    """A worker that is asked to stop hands back at once what has not begun."""
    care = await _cold(clock)
    waiting = _begin(care)
    await asyncio.sleep(0)
    care.give_up_places()
    assert await asyncio.wait_for(waiting, 10) == Later(care._now_ms(), LEAVING)


async def test_a_claim_does_not_pass_who_waits_to_begin(clock):
    """After the first answer those that wait begin before any that is only being claimed; the other lane has
    a line of its own.
    """
    care = await _cold(clock)
    waiting = _begin(care)
    await asyncio.sleep(0)
    care.heard()
    assert care.wanted(3, "live") is None
    assert care.wanted(3, "backlog") is not None
    assert await asyncio.wait_for(waiting, 10) is None
    assert care.wanted(3, "live") is not None


async def test_no_more_go_first_because_some_were_put_off_late(clock):
    """Who is put off after the first answer, which let everybody go, makes no room for more the next time."""
    care = Care(Shared(), clock)
    care.not_begun()
    assert [care.wanted(3, "live") is not None for _ in range(FIRST_PLACES + 1)] == [True] * FIRST_PLACES + [
        False
    ]


async def test_nothing_is_asked_for_with_a_claim_where_there_is_no_limit():
    """Where no limit is kept, and that is known since lately, a claim is all that Redis is asked for."""
    assert (await _known(Shared())).wanted(3, "live") is None


async def test_answers_are_noted_many_at_a_time(clock):
    """Redis hears of the first answer, and of those that follow within half a second together; of a failure
    at once, since the breaker may have to open.
    """
    shared = Shared()
    care = Care(shared, clock)

    async def answered(times):
        for _ in range(times):
            care.answered()
            await asyncio.sleep(0)
        if care._noting is not None:
            await care._noting

    await answered(1)
    await answered(9)
    assert shared.noted == [(1, 0)]
    clock.moment += timedelta(seconds=NOTE_SECONDS)
    await answered(1)
    assert shared.noted == [(1, 0), (10, 0)]
    await answered(3)
    care.failed("broke")
    await answered(0)
    assert shared.noted == [(1, 0), (10, 0), (3, 1)]


async def test_what_comes_while_redis_is_told_is_told_next(clock):
    """However many calls fail together, Redis is asked one question at a time, and the last of them is told
    before the worker closes.
    """
    shared, goes_on = Shared(), asyncio.Event()
    shared.when_noted = goes_on.wait
    care = Care(shared, clock)
    for _ in range(5):
        care.failed("broke")
        await asyncio.sleep(0)
    assert shared.noted == [(0, 1)]
    goes_on.set()
    await care.aclose()
    assert shared.noted == [(0, 1), (0, 4)]


async def test_what_redis_does_not_hear_is_told_in_the_log(clock, caplog):
    """While Redis is away calls go on being counted for the time after it."""

    async def away():
        raise LedgerUnavailable("away")

    shared = Shared()
    shared.when_noted = away
    care = Care(shared, clock)
    care.failed("broke")
    await care._noting
    assert [each.message for each in caplog.records] == ["calls.not_noted"]
    shared.when_noted = _at_once
    care.failed("broke again")
    await care._noting
    assert shared.noted == [(0, 1), (0, 1)]


async def test_a_pause_is_over_by_redis_clock():
    """All workers go by the same clock, however far their own are off."""
    shared = Shared(breaker=Breaker("throttled", until_ms=NOW_MS + 3_000, changed_ms=NOW_MS))
    assert (await _known(shared)).stopped() == Later(NOW_MS + 3_000, "throttled")
    shared.now_ms += 3_000
    assert (await _known(shared)).stopped() is None


PAUSED = Breaker("acquire_failing", until_ms=NOW_MS - PACE_MS, probes=True, opened=1, changed_ms=1)
PACED = Breaker(pace=FIRST_PACE, paced_ms=NOW_MS - PACE_MS, changed_ms=1)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("breaker", "answered", "told"),
    [
        (CLOSED, False, ("breaker.opened", "'reason': 'acquire_failing', 'pause_ms': 1000, 'times': 1")),
        (PAUSED, True, ("breaker.closed", "'reason': 'acquire_failing'")),
        (PACED, True, ("breaker.paced", f"'calls_per_second': {2 * FIRST_PACE}")),
        (CLOSED, True, None),
    ],
)
async def test_who_decides_for_all_says_so(caplog, breaker, answered, told, is_first):
    """That calls stop, go on, or come faster is in the log of the process that decided it, and of no other;
    that nothing changed is in none.
    """
    caplog.set_level("INFO")
    shared = Shared(breaker=breaker)
    shared.is_first = is_first
    care = Care(shared, CLOCK)
    if answered:
        care.answered()
    else:
        care._failed = FAILURES_IN_A_ROW - 1
        care.failed("the words of a customer")
    await care._noting
    lines = [(each.message, repr(vars(each))) for each in caplog.records]
    if told is None or not is_first:
        assert lines == []
        return
    ((event, fields),) = lines
    assert event == told[0]
    assert told[1] in fields
    assert "customer" not in fields


async def test_a_pause_ends_though_redis_clock_went_back():
    """This process leaves Acquire alone no longer than it was to, where Redis' clock goes back meanwhile."""
    hour_ms = 3_600_000
    shared = Shared(breaker=Breaker("throttled", NOW_MS + 5_000, changed_ms=NOW_MS))
    care = await _known(shared)
    care.note_time(NOW_MS - hour_ms)
    assert care.stopped() == Later(NOW_MS - hour_ms + 5_000, "throttled")
    care.note_time(NOW_MS - hour_ms + 5_000)
    assert care.stopped() is None


async def test_who_was_not_let_in_by_redis_has_not_begun(clock):
    """While Redis is away nobody begins: after it, nobody waits for an answer to what was never asked."""

    def away():
        raise LedgerUnavailable("away")

    shared = Shared()
    shared.when_asked = away
    care = Care(shared, clock)
    for _ in range(FIRST_PLACES + 1):
        with pytest.raises(LedgerUnavailable):
            await asyncio.wait_for(_begin(care), 1)
    shared.when_asked = lambda: None
    assert await asyncio.wait_for(_begin(care), 1) is None
