"""A claim brings the place for its first calls along, so that nothing else is asked before them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bench import backlog
from service.clock import SystemClock
from service.domain.ports import Claimed, Full, Given, Spent, Unclaimed
from tests.contract.caring import shared_care
from workers import ringing, throttle
from workers.careful import CALLS_A_HEAD, Careful
from workers.throttle import FIRST_PLACES, Care

RATE = 9.0
THREADS = [str(backlog.FIRST_THREAD + number) for number in range(8)]


@pytest.fixture
async def waiting(redis_url, ledger):
    """The ledger with a reopen in each of the threads."""
    await asyncio.to_thread(backlog.admit, redis_url, len(THREADS))
    return ledger


async def _claim(ledger, shared, thread, lane="live"):
    wanted = shared.wanted(CALLS_A_HEAD, lane)
    return await ledger.leases.claim(thread, bell=None, token=f"of {thread}", wanted=wanted)


async def test_claims_take_places_like_any_call(waiting):
    """Claims are given their places in turn, from the same bucket as everything else, and none far ahead."""
    shared = shared_care(waiting, CALLS_A_HEAD)
    first, second = [await _claim(waiting, shared, thread) for thread in THREADS[:2]]
    assert first.place == Given(0.0)
    assert isinstance(second.place, Full)
    assert isinstance(await shared.reserve(CALLS_A_HEAD), Full)


async def test_claims_of_the_backlog_leave_room(waiting):
    """What has waited gets no place with its claim where a new reply's calls would not be left."""
    shared = shared_care(waiting, 2 * CALLS_A_HEAD)
    claims = [await _claim(waiting, shared, thread, "backlog") for thread in THREADS[:2]]
    assert [type(claimed.place) for claimed in claims] == [Given, Full]
    assert await shared.reserve(CALLS_A_HEAD) == Given(0.0)


@pytest.mark.parametrize("why", ["busy", "idle", "paused", "acquire_failing"])
async def test_a_claim_for_nothing_takes_no_place(waiting, connection, why):
    """Where a claim finds nothing to do, the bucket and the retry budget are as they were."""
    shared = shared_care(waiting, RATE)
    thread = THREADS[0] if why != "idle" else "999"
    if why == "busy":
        await waiting.leases.claim(thread, bell=None, token="other")
    elif why == "paused":
        await connection.hset("reopener:account", "paused", "somebody")
    elif why == "acquire_failing":
        await connection.hset("reopener:breaker", mapping={"why": why, "until_ms": 2**52})
    refused = await _claim(waiting, shared, thread)
    assert isinstance(refused, Unclaimed)
    assert refused.why == why
    assert await connection.exists("reopener:rate", "reopener:budget") == 0


@pytest.mark.parametrize("field", ["spent", "waits"])
async def test_a_claimed_retry_needs_its_budget(waiting, connection, field):
    """A head that failed or waited before takes its calls from the retry budget, or is told it is spent."""
    shared = shared_care(waiting, 4 * CALLS_A_HEAD)
    for key in await connection.keys("reopener:r:*"):
        await connection.hset(key, field, "1")
    assert isinstance((await _claim(waiting, shared, THREADS[0])).place, Given)
    assert float(await connection.hget("reopener:budget", "calls")) == pytest.approx(
        shared.most - CALLS_A_HEAD
    )
    # Deep in the red: what flows in until the claim comes does not fill it.
    await connection.hset("reopener:budget", "calls", "-1000")
    assert isinstance((await _claim(waiting, shared, THREADS[1])).place, Spent)


async def test_what_was_given_is_not_asked_for_again(waiting, monkeypatch):
    """A head that got its place with its claim begins without another question to Redis."""
    care = Care(shared_care(waiting, RATE), SystemClock())
    gate = Careful(SimpleNamespace(), care)
    claimed = await waiting.leases.claim(THREADS[0], bell=None, token="t", wanted=gate.wanted())
    assert isinstance(claimed, Claimed)
    monkeypatch.setattr(waiting.scripts, "run", None)
    assert await gate.admit(claimed.reopen, claimed.lease.redis_ms, claimed.place) is None


async def test_what_was_full_stands_in_line(waiting):
    """A head that got no place with its claim waits for one, and whoever claims meanwhile asks behind it."""
    care = Care(shared_care(waiting, RATE), SystemClock())
    gate = Careful(SimpleNamespace(), care)
    claimed = await waiting.leases.claim(THREADS[0], bell=None, token="t", wanted=gate.wanted())
    await care.place(9)
    waiting = asyncio.create_task(gate.admit(claimed.reopen, 1_000, Full(0.1)))
    await asyncio.sleep(0)
    assert Careful(SimpleNamespace(), care).wanted() is None
    assert Careful(SimpleNamespace(), care, "backlog").wanted() is not None
    assert await asyncio.wait_for(waiting, 10) is None


async def test_a_few_claim_first(waiting):
    """Where nothing was answered lately, a few get places with their claims, though none has ended yet; one
    that came to nothing is not counted.
    """
    care = Care(shared_care(waiting, RATE), SystemClock())
    asked = [care.wanted(CALLS_A_HEAD, "live") for _ in range(FIRST_PLACES + 1)]
    assert [wanted is not None for wanted in asked] == [True] * FIRST_PLACES + [False]
    care.not_begun()
    assert care.wanted(CALLS_A_HEAD, "live") is not None
    assert care.wanted(CALLS_A_HEAD, "live") is None
    care.answered()
    assert care.wanted(CALLS_A_HEAD, "live") is not None
    await care.aclose()


async def test_a_bell_for_nothing_keeps_nobody_from_going_first(waiting, monkeypatch):
    """Many bells of threads that have nothing to do, and claims that end in a fault, leave the first places
    to those that have something.
    """
    care = Care(shared_care(waiting, RATE), SystemClock())
    worked = []

    async def work(claimed, *_, **__):
        worked.append(claimed)
        return 1

    monkeypatch.setattr(ringing, "work", work)
    tools = SimpleNamespace(ledger=waiting.leases, gate=Careful(SimpleNamespace(), care))
    answering = ringing.Ringing(SimpleNamespace(ledger=waiting, tools=lambda _: tools))
    for _ in range(2 * FIRST_PLACES):
        await answering.answer("999", None)
        with monkeypatch.context() as faulty:
            faulty.setattr(waiting.leases, "_claimed", lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await answering.answer("998", None)
    for thread in THREADS[:FIRST_PLACES]:
        await answering.answer(thread, None)
    assert [claimed.place for claimed in worked[:3]] == [Given(0.0)] * 3


async def test_nobody_asks_along_while_acquire_is_left_alone(waiting, connection):
    """While the breaker is open, or this process leaves, nothing is wanted with a claim."""
    care = Care(shared_care(waiting, RATE), SystemClock())
    care.leave(0)
    assert care.wanted(CALLS_A_HEAD, "live") is None
    other = Care(shared_care(waiting, RATE), SystemClock())
    other.give_up_places()
    assert other.wanted(CALLS_A_HEAD, "live") is None
    assert care.stopped().why == throttle.LEAVING
