"""The sweeper: what stands still is told from what moves, what is overdue is rung; on a real Redis."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import redis.asyncio

from service.domain.errors import LedgerUnavailable
from service.domain.ports import Claimed
from service.domain.reopens import reopen_id
from service.ledger import Ledger
from service.ledger.sweeps import SWEEPERS_KEY
from tests.clocks import HandClock
from tests.edge.events import event
from workers import sweeper
from workers.sweeper import StandingStill, Sweeper

LEASE_MS = 12_000


def test_a_lease_stands_still_for_its_whole_length():
    """One that has not moved for as long as this process watched may be taken, one that has may not."""
    still = StandingStill(12.0)
    assert still.look({"1": "token 1", "2": "token 1"}, 100.0) == []
    assert still.look({"1": "token 1", "2": "token 2"}, 111.9) == []
    assert still.look({"1": "token 1", "2": "token 2"}, 112.0) == [("1", "token 1")]
    assert still.look({"2": "token 2"}, 123.9) == [("2", "token 2")]


def test_a_lease_that_was_away_is_watched_anew():
    """A thread that was released and claimed again in between has not stood still."""
    still = StandingStill(12.0)
    still.look({"1": "token 1"}, 100.0)
    still.look({}, 105.0)
    assert still.look({"1": "token 1"}, 113.0) == []


async def test_what_stands_still_is_rung_for_somebody_else(ledger: Ledger, connection: redis.asyncio.Redis):
    """A dead worker's thread is taken over after its lease, and a bell says so at once."""
    clock = HandClock()
    sweeping = Sweeper(ledger, clock, name="w1", lease_ms=LEASE_MS)
    await ledger.admissions.admit([event("e1")])
    assert isinstance(await ledger.leases.claim(reopen_id("desk", "e1"), bell=None, token="dead"), Claimed)
    await connection.delete("rq:queue:reopener")
    await sweeping.sweep()
    clock.moment += timedelta(milliseconds=LEASE_MS)
    await sweeping.sweep()
    assert await connection.llen("rq:queue:reopener") == 1
    assert isinstance(await ledger.leases.claim("5", bell=None, token="another"), Claimed)


async def test_it_shows_that_it_lives(ledger: Ledger, connection: redis.asyncio.Redis):
    """Every five seconds it notes the time, for `reopener check`; who is gone for a day is forgotten."""
    clock = HandClock()
    await connection.hset(SWEEPERS_KEY, mapping={"gone": clock.now_ms() - 86_400_001, "late": clock.now_ms()})
    sweeping = Sweeper(ledger, clock, name="w1", lease_ms=LEASE_MS)
    began_ms = clock.now_ms()
    for passed_seconds, noted_seconds in ((0, 0), (4.9, 0), (0.1, 5)):
        clock.moment += timedelta(seconds=passed_seconds)
        await sweeping.sweep()
        beats = await connection.hgetall(SWEEPERS_KEY)
        assert int(beats[b"w1"]) == began_ms + 1_000 * noted_seconds
    assert set(beats) == {b"w1", b"late"}


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), RuntimeError("a fault of ours")])
async def test_it_goes_on_whatever_a_sweep_ends_with(ledger: Ledger, monkeypatch, fault: Exception):
    """Redis that is away, and a fault of ours, cost one sweep; there are at least two in a second."""
    assert sweeper.TICK_SECONDS <= 0.5
    monkeypatch.setattr(sweeper, "TICK_SECONDS", 0.001)
    sweeping = Sweeper(ledger, HandClock(), name="w1", lease_ms=LEASE_MS)
    swept = asyncio.Event()
    faults = [fault, fault]

    async def sweep() -> int:
        if faults:
            raise faults.pop()
        swept.set()
        return 0

    monkeypatch.setattr(sweeping, "sweep", sweep)
    running = asyncio.create_task(sweeping.run())
    await asyncio.wait_for(swept.wait(), 10)
    running.cancel()
