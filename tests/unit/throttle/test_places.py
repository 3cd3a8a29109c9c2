"""Places for calls, as one process keeps to what all of them decide together."""

from __future__ import annotations

import asyncio

import pytest

from service.domain.breaker import Breaker
from service.domain.ports import Full, Later, Spent
from tests.unit.throttle.shared import CLOCK, NOW_MS, Shared
from workers.throttle import FIRST_PLACES, LEAVING, LONGEST_SPREAD_MS, Care


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


async def test_nothing_is_asked_for_with_a_claim_where_there_is_no_limit():
    """Where no limit is kept, and that is known since lately, a claim is all that Redis is asked for."""
    assert (await _known(Shared())).wanted(3, "live") is None


async def test_a_pause_is_over_by_redis_clock():
    """All workers go by the same clock, however far their own are off."""
    shared = Shared(breaker=Breaker("throttled", until_ms=NOW_MS + 3_000, changed_ms=NOW_MS))
    assert (await _known(shared)).stopped() == Later(NOW_MS + 3_000, "throttled")
    shared.now_ms += 3_000
    assert (await _known(shared)).stopped() is None


async def test_a_pause_ends_though_redis_clock_went_back():
    """This process leaves Acquire alone no longer than it was to, where Redis' clock goes back meanwhile."""
    hour_ms = 3_600_000
    shared = Shared(breaker=Breaker("throttled", NOW_MS + 5_000, changed_ms=NOW_MS))
    care = await _known(shared)
    care.note_time(NOW_MS - hour_ms)
    assert care.stopped() == Later(NOW_MS - hour_ms + 5_000, "throttled")
    care.note_time(NOW_MS - hour_ms + 5_000)
    assert care.stopped() is None
