"""What one process tells all others of Acquire's answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from service.domain.breaker import FAILURES_IN_A_ROW, FIRST_PACE, PACE_MS, Breaker
from service.domain.errors import LedgerUnavailable
from tests.unit.throttle.shared import CLOCK, CLOSED, NOW_MS, Shared, at_once
from workers.throttle import NOTE_SECONDS, Care

PAUSED = Breaker("acquire_failing", until_ms=NOW_MS - PACE_MS, probes=True, opened=1, changed_ms=1)
PACED = Breaker(pace=FIRST_PACE, paced_ms=NOW_MS - PACE_MS, changed_ms=1)


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
    care.failed("broke", NOW_MS)
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
        care.failed("broke", NOW_MS)
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
    care.failed("broke", NOW_MS)
    await care._noting
    assert [each.message for each in caplog.records] == ["calls.not_noted"]
    shared.when_noted = at_once
    care.failed("broke again", NOW_MS)
    await care._noting
    assert shared.noted == [(0, 1), (0, 1)]


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
        care._failed = [NOW_MS] * (FAILURES_IN_A_ROW - 1)
        care.failed("the words of a customer", NOW_MS)
    await care._noting
    lines = [(each.message, repr(vars(each))) for each in caplog.records]
    if told is None or not is_first:
        assert lines == []
        return
    ((event, fields),) = lines
    assert event == told[0]
    assert told[1] in fields
    assert "customer" not in fields
