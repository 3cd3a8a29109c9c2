"""What becomes of deliveries that wait on a disk which fails, hangs or is slow."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable, Overloaded
from service.intake import detour as detours
from service.intake import line
from service.intake.line import Waiting
from service.ledger.admission import packed_delivery
from tests.edge.events import event
from tests.edge.intake.spooling import receiving, tried_one, waiting_in

MB = 1024 * 1024

pytestmark = pytest.mark.usefixtures("no_time_of_its_own")


async def test_a_disk_that_fails_is_told_as_not_stored(ledger, connection, tmp_path):
    """Where the disk takes nothing, the delivery is refused; the next is taken when the disk is well."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        receiver.spool._db.execute("PRAGMA query_only = ON")
        with pytest.raises(LedgerUnavailable, match="cannot be written"):
            await receiver.commit.admit([event("lost")])
        receiver.spool._db.execute("PRAGMA query_only = OFF")
        await receiver.commit.admit([event("kept too")])
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert await waiting_in(connection) == ["kept", "kept too"]


async def test_a_disk_that_hangs_keeps_nobody_waiting(ledger, connection, tmp_path, monkeypatch):
    """Where the disk hangs, all who wait are refused within the time to write, and later ones at once."""
    monkeypatch.setattr(detours, "WRITE_SECONDS", 0.05)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        goes_on = asyncio.Event()
        loop, write = asyncio.get_running_loop(), receiver.spool.write

        def hang(deliveries):
            asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()
            return write(deliveries)

        monkeypatch.setattr(receiver.spool, "write", hang)
        at_once = await asyncio.gather(
            *(receiver.commit.admit([event(f"e{n}")]) for n in range(9)), return_exceptions=True
        )
        assert {type(each) for each in at_once} == {LedgerUnavailable}
        with pytest.raises(LedgerUnavailable, match="hangs"):
            await receiver.commit.admit([event("later")])
        goes_on.set()
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert await waiting_in(connection) == [f"e{n}" for n in range(9)]


async def test_a_disk_that_hung_is_used_again_whatever_came_of_it(ledger, connection, tmp_path, monkeypatch):
    """Where writing ends in a fault of ours after all who waited were refused, what comes then is written."""
    monkeypatch.setattr(detours, "WRITE_SECONDS", 0.05)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        goes_on, loop = asyncio.Event(), asyncio.get_running_loop()

        def hang(_):
            asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()
            raise ZeroDivisionError

        with monkeypatch.context() as hanging:
            hanging.setattr(receiver.spool, "write", hang)
            with pytest.raises(LedgerUnavailable, match="hangs"):
                await receiver.commit.admit([event("lost")])
        monkeypatch.setattr(detours, "WRITE_SECONDS", 10.0)
        goes_on.set()
        async with asyncio.timeout(20):
            while await tried_one(receiver, event("later")) != "accepted":  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.001)
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert await waiting_in(connection) == ["later"]


async def test_a_disk_that_is_slow_has_a_bounded_line(ledger, tmp_path, monkeypatch):
    """What comes while many wait for the disk is refused at once, and what waits is written."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        # Redis is asked for all ten, and what it does not take finds a short line.
        receiver.way.is_cut = lambda: monkeypatch.setattr(line, "MOST_WAITING", 3) or True
        async with asyncio.timeout(10):
            told = await asyncio.gather(
                *(receiver.commit.admit([event(f"e{n}")]) for n in range(10)), return_exceptions=True
            )
        assert [type(each) for each in told] == [list] * 3 + [Overloaded] * 7


async def test_who_waited_for_redis_stands_in_nobodys_way(ledger, tmp_path):
    """What replicas have not confirmed after long, and what has just come, are written together."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        now, loop = SystemClock().monotonic(), asyncio.get_running_loop()
        both = [
            Waiting([each], packed_delivery([each]), 0, since, loop.create_future())
            for each, since in ((event("old"), now - 1.4), (event("new"), now))
        ]
        receiver.detour.take(both, LedgerUnavailable("not confirmed"))
        async with asyncio.timeout(10):
            told = [await each.answer for each in both]
        assert [[one.verdict for one in answer] for answer in told] == [["accepted"], ["accepted"]]


async def test_a_disk_that_cannot_be_read_is_read_again(ledger, connection, tmp_path, monkeypatch):
    """What waits is not lost where reading it fails."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        read, faults = receiver.spool.first, [sqlite3.OperationalError("disk I/O error"), OSError("gone")]

        def first(*how: int):
            if faults:
                raise faults.pop()
            return read(*how)

        monkeypatch.setattr(receiver.spool, "first", first)
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert not faults
    assert await waiting_in(connection) == ["kept"]


async def test_nothing_is_put_behind_what_cannot_be_read(ledger, connection, tmp_path, monkeypatch):
    """It would be answered, and not reach Redis either. What can be read is admitted, one at a time."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        for name in ("one", "two", "spoilt"):
            await receiver.commit.admit([event(name)])
        read = receiver.spool.first

        def first(most: int, most_bytes: int):
            if most >= receiver.spool.state.deliveries:
                raise sqlite3.DatabaseError("database disk image is malformed")
            return read(most, most_bytes)

        monkeypatch.setattr(receiver.spool, "first", first)
        receiver.way.is_cut = lambda: False
        await receiver.until(lambda: receiver.spool.state.deliveries == 1)
        assert await waiting_in(connection) == ["one", "two"]
        told = "accepted"
        async with asyncio.timeout(10):
            while told in {"accepted", "duplicate"}:
                told = await tried_one(receiver, event("one"))
        assert "taken off" in told
        monkeypatch.setattr(receiver.spool, "first", read)
        await receiver.drained()
        assert await tried_one(receiver, event("new")) == "accepted"
    assert await waiting_in(connection) == ["one", "two", "spoilt", "new"]
