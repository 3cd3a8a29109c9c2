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
from tests.edge.intake.spooling import Receiving, receiving, tried_one, waiting_in

MB = 1024 * 1024

pytestmark = pytest.mark.usefixtures("no_time_of_its_own")


async def test_a_disk_that_fails_is_told_as_not_stored(ledger, connection, tmp_path):
    """Where the disk takes nothing, the delivery is refused; the next is taken when the disk is well."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        full(receiver)
        with pytest.raises(LedgerUnavailable, match="cannot be written"):
            await receiver.commit.admit([event("lost")])
        full(receiver, is_full=False)
        await receiver.commit.admit([event("kept too")])
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert await waiting_in(connection) == ["kept", "kept too"]


async def test_a_full_disk_keeps_nothing_from_redis(ledger, connection, tmp_path):
    """Where nothing can be deleted, what waits is admitted all the same and passed over, and new ones go
    straight to Redis. After a restart it is admitted once more, and counts once.
    """
    names = [f"e{n}" for n in range(70)]
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        for name in names:
            await receiver.commit.admit([event(name)])
        full(receiver)
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert receiver.spool.state.oldest_ms is None
        assert await tried_one(receiver, event("new")) == "accepted"
        assert await waiting_in(connection) == [*names, "new"]
    async with receiving(ledger, tmp_path / "spool") as receiver:
        assert receiver.spool.state.deliveries == len(names)
        await receiver.drained()
        assert not receiver.spool.has_more_to_do
    assert await waiting_in(connection) == [*names, "new"]


async def test_a_disk_that_the_spool_filled_is_used_again(ledger, connection, tmp_path, monkeypatch):
    """What Redis has goes with its file, where that cannot be made smaller."""
    monkeypatch.setattr(detours, "TIDY_SECONDS", 0.01)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("one", text="customers-words")])
        full(receiver)
        receiver.way.is_cut = lambda: False
        await receiver.until(lambda: not (receiver.detour.is_taken or receiver.spool.has_more_to_do))
        assert not any(b"customers-words" in path.read_bytes() for path in (tmp_path / "spool").iterdir())
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("two")])
    async with receiving(ledger, tmp_path / "spool") as receiver:
        await receiver.drained()
    assert await waiting_in(connection) == ["one", "two"]


async def test_what_redis_refused_stays_on_a_full_disk(ledger, connection, tmp_path):
    """It waits with what is behind it, since nothing else has it."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        for name in ("refused", "behind"):
            await receiver.commit.admit([event(name)])
        asked: list[object] = []
        receiver.way.is_refused = lambda deliveries: asked.append(deliveries) or True
        full(receiver)
        receiver.way.is_cut = lambda: False
        await receiver.until(lambda: len(asked) > 2)
        assert (receiver.spool.state.deliveries, receiver.spool.state.refused) == (2, 0)
        full(receiver, is_full=False)
        receiver.way.is_refused = lambda _: False
        await receiver.drained()
    assert await waiting_in(connection) == ["refused", "behind"]


def full(receiver: Receiving, *, is_full: bool = True) -> None:
    receiver.spool._db.execute(f"PRAGMA query_only = {'ON' if is_full else 'OFF'}")


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
