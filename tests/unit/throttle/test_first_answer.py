"""An Acquire that was silent: a few calls go first, and the others wait for the first answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.domain.errors import LedgerUnavailable
from service.domain.ports import Later
from tests.unit.throttle.shared import GIVEN, Shared
from workers import throttle
from workers.throttle import FIRST_PLACES, LEAVING, PATIENCE_SECONDS, Care


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
    assert await asyncio.wait_for(waiting, 10) == Later(care.now_ms(), LEAVING)


async def test_who_gives_up_its_places_waits_for_no_first_answer(clock):
    """A worker that is asked to stop hands back at once what has not begun."""
    care = await _cold(clock)
    waiting = _begin(care)
    await asyncio.sleep(0)
    care.give_up_places()
    assert await asyncio.wait_for(waiting, 10) == Later(care.now_ms(), LEAVING)


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
