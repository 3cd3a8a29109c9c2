"""Rate limit, retry budget and the pace after a pause, of all workers together, in a real Redis."""

from __future__ import annotations

import asyncio
import math

import pytest

from service.clock import SystemClock
from service.domain.breaker import FIRST_PACE, PACE_MS, Calls, after_calls
from service.domain.ports import Full, Given, Spent
from service.ledger.audit import By
from service.ledger.flow import Flow, Flows
from tests.contract.caring import redis_ms, shared_care
from workers import throttle
from workers.throttle import Care

BY = By("somebody", "api")


async def test_the_rate_limit(ledger, connection):
    """Bursts of a second's worth are let through at once; then places are given out one by one, in order, and
    none that is far ahead: who comes later is not to wait behind what could not be made yet.
    """
    shared = shared_care(ledger, rate=100)
    began_ms = await redis_ms(connection)
    assert await shared.reserve(100) == Given(0.0)
    places = [await shared.reserve(10) for _ in range(2)]
    far = await shared.reserve(100)
    passed_seconds = (await redis_ms(connection) - began_ms + 1) / 1000
    for place, ahead_seconds in zip(places, (0.1, 0.2), strict=True):
        assert max(0, ahead_seconds - passed_seconds) <= place.wait_seconds <= ahead_seconds
    assert isinstance(far, Full)
    assert 0 < far.again_seconds <= 0.95


async def test_the_backlog_leaves_room_under_the_rate_limit(ledger):
    """What has waited takes a place only where a new reply's look and call are left in the bucket."""
    shared = shared_care(ledger, rate=20)
    while isinstance(await shared.reserve(3, lane="backlog"), Given):
        pass
    assert await shared.reserve(3) == Given(0.0)
    full = await shared.reserve(3, lane="backlog")
    assert 0 < full.again_seconds <= 0.3


async def test_a_rate_of_less_than_a_look(ledger):
    """Where the bucket never holds a look and a call, a full one is enough, also for the backlog."""
    shared = shared_care(ledger, rate=0.5)
    assert 0 < (await shared.reserve(3, lane="backlog")).wait_seconds <= 4
    assert isinstance(await shared.reserve(3), Full)


async def test_retries_have_a_budget(ledger):
    """Retries are put off once they have used up their share of the rate limit; first tries are not."""
    shared = shared_care(ledger, rate=1_000, share=0.1)
    places = [await shared.reserve(100, is_retry=True) for _ in range(8)]
    put_off = [place for place in places if isinstance(place, Spent)]
    assert len(places) - len(put_off) == 5  # saved up for 5 seconds
    assert all(0 < place.later_ms <= 1_000 for place in put_off)
    assert isinstance(await shared.reserve(3), Given)


async def test_without_a_rate_limit_the_budget_follows_the_calls(ledger):
    """Without a rate limit retries get their share of what was answered."""
    shared = shared_care(ledger, share=0.5)
    while isinstance(await shared.reserve(3, is_retry=True), Given):
        pass
    await shared.note(12, [])
    places = [await shared.reserve(3, is_retry=True) for _ in range(3)]
    assert [type(place) for place in places] == [Given, Given, Spent]


async def test_new_replies_pass_the_backlog_under_the_rate_limit(ledger):
    """Of many that wait for the rate limit, a new reply is let through among the next."""
    care = Care(shared_care(ledger, rate=30), SystemClock())
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
    care = Care(shared_care(ledger, rate=30), SystemClock())

    async def come_and_come():
        while True:
            await care.place(3)

    coming = asyncio.create_task(come_and_come())
    await asyncio.sleep(0.5)
    assert await asyncio.wait_for(care.place(3, lane="backlog"), 20) is None
    coming.cancel()


@pytest.mark.parametrize(("rate", "at_once"), [(0, 8), (100, 8), (4, 4)])
async def test_calls_come_back_at_a_pace(ledger, connection, rate, at_once):
    """After a pause the whole account makes a few calls at once, and then so many a second."""
    now_ms = await redis_ms(connection)
    await ledger.leases.stop_account("throttled", now_ms, "wait", probes=False)
    shared = shared_care(ledger, rate=rate)
    began_ms = await redis_ms(connection)
    places = [await shared.reserve(1)]
    while not isinstance(places[-1], Full):
        places.append(await shared.reserve(1))
    flowed = math.ceil((await redis_ms(connection) - began_ms) / 1000 * at_once)
    assert at_once <= places.count(Given(0.0)) <= at_once + flowed
    assert any(isinstance(place, Given) and place.wait_seconds > 0 for place in places)
    assert len(places) <= at_once + 4 + flowed


async def test_the_pace_is_raised_and_lifted(ledger, connection):
    """Answered calls raise it step by step, of two that decide at once one does, and then there is none."""
    await ledger.leases.stop_account("throttled", await redis_ms(connection), "wait", probes=False)
    care, shared = Care(shared_care(ledger), SystemClock()), shared_care(ledger)
    await connection.hset("reopener:breaker", mapping={"until_ms": 1, "paced_ms": 1})
    care.answered()
    await care.aclose()
    before, _, _ = await shared.note(0, [])
    assert before.pace == 2 * FIRST_PACE
    assert await shared.change_pace(before, 0)
    assert not await shared.change_pace(before, 64)
    assert [await shared.reserve(1) for _ in range(50)] == [Given(0.0)] * 50


async def test_who_was_idle_asks_for_the_pace(ledger, connection):
    """Without a rate limit a process that has just heard that there is no pace does not ask; one that heard
    nothing for the length of a pause does.
    """
    care = Care(shared_care(ledger), SystemClock())
    care.answered()
    await care.aclose()
    await connection.hset("reopener:breaker", "pace", FIRST_PACE)
    started = [asyncio.create_task(care.place(3)) for _ in range(20)]
    assert len((await asyncio.wait(started, timeout=0.5))[0]) == 20
    other = Care(shared_care(ledger), SystemClock())
    started = [asyncio.create_task(other.place(3)) for _ in range(20)]
    assert len((await asyncio.wait(started, timeout=0.5))[0]) <= 6
    for waiting in started:
        waiting.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def test_what_is_left_shows(ledger, connection):
    """How long a call would wait, what retries may still take, and the pace after a pause are told."""
    care = shared_care(ledger, rate=10.0, share=0.5)
    flows = Flows(connection, care)
    assert await flows.flow() == Flow(10.0, 0.0, 0.0, care.most, care.most)
    await connection.set("reopener:rate", (await redis_ms(connection) + 60_000) * 1000)
    assert 40 < (await flows.flow()).wait_seconds <= 59  # the burst of a second is given at once
    await connection.delete("reopener:rate")
    before = await flows.flow()
    await care.reserve(3, is_retry=True)
    after = await flows.flow()
    assert 0 < before.retry_budget_calls - after.retry_budget_calls <= 3
    await connection.hset("reopener:breaker", "pace", "8")
    assert (await flows.flow()).pace_per_second == 8


async def test_what_waited_for_a_person_comes_back_at_a_pace(ledger, connection):
    """After a person's pause a few calls are made at once, and then so many a second; where there was none, a
    resume holds nothing back.
    """
    shared = shared_care(ledger)
    await ledger.verbs.resume(by=BY)
    assert [await shared.reserve(1) for _ in range(50)] == [Given(0.0)] * 50
    await ledger.verbs.pause(by=BY)
    await ledger.verbs.resume(by=BY)
    places = [await shared.reserve(1) for _ in range(round(FIRST_PACE))]
    assert places == [Given(0.0)] * round(FIRST_PACE)
    assert isinstance(await shared.reserve(100), Full)
    before, _, _ = await shared.note(1, [])
    assert before.pace == FIRST_PACE
    assert before.state(before.paced_ms) == "closed"
    assert after_calls(before, Calls(1, 0, 0, 1, 0), before.paced_ms + PACE_MS).pace == 2 * FIRST_PACE


async def test_no_place_waits_for_a_clock_that_went_back(ledger, connection):
    """Where Redis' clock is set back, places and the retry budget are given as ever, not so much later."""
    shared = shared_care(ledger, rate=20)
    assert await shared.reserve(20, is_retry=True) == Given(0.0)
    ahead_us = (await redis_ms(connection) + 3_600_000) * 1_000
    await connection.set("reopener:rate", str(ahead_us))
    await connection.hset("reopener:budget", "us", str(ahead_us))
    place = await shared.reserve(1)
    assert isinstance(place, Full)
    assert place.again_seconds <= 1.3
    assert (await Flows(connection, shared).flow()).retry_budget_calls >= 0
    await connection.delete("reopener:rate")
    assert isinstance(await shared.reserve(2, is_retry=True), Given)
