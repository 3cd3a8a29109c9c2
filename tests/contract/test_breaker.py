"""The breaker that all workers of an account share, in a real Redis."""

from __future__ import annotations

import asyncio

from bench import backlog
from service.clock import SystemClock
from service.domain.breaker import FAILURES_IN_A_ROW, FIRST_PACE, Breaker
from service.domain.ports import Claimed, Unclaimed
from tests.contract.caring import breaker_state, pause_is_over, redis_ms, shared_care
from workers.throttle import Care

LATER = 60_000


async def test_counts_are_shared(ledger, connection):
    """Failures noted by several processes add up, and one answer ends the row."""
    one, two = shared_care(ledger), shared_care(ledger)
    now_ms = await redis_ms(connection)
    await one.note(0, [now_ms] * 3)
    _, calls, _ = await two.note(0, [now_ms] * 2)
    assert (calls.row, calls.lately_failed) == (5, 5)
    _, calls, _ = await one.note(1, [])
    assert (calls.row, calls.lately_answered, calls.lately_failed) == (0, 1, 5)


async def test_one_of_two_deciders_wins(ledger):
    """Of two processes that decide from the same state, the second changes nothing."""
    shared = shared_care(ledger)
    before, _, now_ms = await shared.note(0, [LATER] * FAILURES_IN_A_ROW)
    assert await shared.change(before, Breaker("acquire_failing", now_ms + LATER, True, 1), "x")
    assert not await shared.change(before, Breaker("acquire_failing", now_ms + LATER, True, 1), "x")


async def test_stats_tell_the_truth(ledger, connection):
    """The breaker shows as closed, open, half open, and closed again, with the reason while it is not."""
    care = Care(shared_care(ledger), SystemClock())
    assert await breaker_state(ledger, connection) == "closed"
    for _ in range(FAILURES_IN_A_ROW):
        care.failed("it broke", care.now_ms())
    await care.aclose()
    account = await ledger.counts.account(await redis_ms(connection))
    assert (account.breaker, account.why, account.detail) == ("open", "acquire_failing", "it broke")
    await pause_is_over(connection)
    assert await breaker_state(ledger, connection) == "half_open"
    care.answered()
    await care.aclose()
    await asyncio.sleep(0)
    if await breaker_state(ledger, connection) != "closed":  # noted within a second of the last time
        care.failed("x", care.now_ms())
        await care.aclose()
    assert await breaker_state(ledger, connection) == "closed"
    assert await connection.hget("reopener:breaker", "detail") == b""


async def test_a_single_probe(redis_url, ledger, connection):
    """While it is half open, one thread at a time is claimed, also where many ask and sweep."""
    await asyncio.to_thread(backlog.admit, redis_url, 5)
    now_ms = await redis_ms(connection)
    until = await ledger.leases.stop_account("credentials_refused", now_ms + LATER, "no", probes=True)
    assert until == now_ms + LATER
    names = [str(backlog.FIRST_THREAD + n) for n in range(5)]
    refused = [await ledger.leases.claim(name, bell=None, token="t") for name in names]
    assert {claim.why for claim in refused if isinstance(claim, Unclaimed)} == {"credentials_refused"}
    assert (await ledger.sweeps.overdue()).boxes == ()
    await pause_is_over(connection)
    await connection.zadd("reopener:due", dict.fromkeys(names, 1))
    assert len((await ledger.sweeps.overdue()).boxes) == 1
    claims = [await ledger.leases.claim(name, bell=None, token=f"t{name}") for name in names]
    assert [isinstance(claim, Claimed) for claim in claims] == [True, False, False, False, False]
    assert (await ledger.sweeps.overdue()).boxes == ()


async def test_a_shorter_pause_does_not_end_a_longer_one(ledger, connection):
    """A `Retry-After` of a second, heard by one worker, leaves a refused key as it is."""
    now_ms = await redis_ms(connection)
    stop = ledger.leases.stop_account
    await stop("credentials_refused", now_ms + LATER, "no", probes=True)
    assert await stop("throttled", now_ms + 1_000, "wait", probes=False) == now_ms + LATER
    account = await ledger.counts.account(now_ms)
    assert (account.why, account.until_ms) == ("credentials_refused", now_ms + LATER)
    assert await stop("throttled", now_ms + 2 * LATER, "wait", probes=False) == now_ms + 2 * LATER
    await pause_is_over(connection)
    assert await breaker_state(ledger, connection) == "half_open"


async def test_an_acquire_that_is_well_is_asked_half_as_much_after_a_retry_after(ledger, connection):
    """Where calls were answered until Acquire asked for a pause, half as many a second are a start."""
    shared = shared_care(ledger)
    await shared.note(1_000, [])
    await ledger.leases.stop_account("throttled", await redis_ms(connection), "wait", probes=False)
    before, _, _ = await shared.note(0, [])
    assert before.pace == 50
    await connection.hset("reopener:breaker", mapping={"until_ms": 1, "changed_ms": 1})
    await ledger.leases.stop_account("throttled", await redis_ms(connection), "wait", probes=False)
    assert (await shared.note(0, []))[0].pace == 25
    before, _, _ = await shared.note(1_000, [])
    assert await shared.change(before, Breaker("acquire_failing", 1, True, 1, pace=FIRST_PACE), "x")
    assert (await shared.note(0, []))[0].pace == FIRST_PACE
