"""What the detour asks of Redis and of the disk, how often, and what it says of both in the log."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from dataclasses import replace

import pytest

from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable
from service.domain.reopens import reopen_id
from service.intake import detour as detours
from service.intake.spool import Spool
from service.ledger.admission import packed_delivery
from tests.edge.events import event
from tests.edge.intake.spooling import MB, Receiving, receiving, tried_one, waiting_in

pytestmark = pytest.mark.usefixtures("no_time_of_its_own")

FAULTS = [
    (sqlite3.OperationalError("disk I/O error"), True),
    (OSError("the disk is gone"), True),
    (ZeroDivisionError("a fault of ours"), False),
]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog):
    caplog.set_level(logging.INFO, "service.intake.detour")


def told(caplog, event_name: str) -> list[str]:
    """The fields of these lines."""
    return [repr(vars(record)) for record in caplog.records if record.message == event_name]


async def test_an_outage_is_told_from_its_beginning_to_its_end(ledger, connection, tmp_path, caplog):
    """That the spool is used and why, what Redis refused of it, and that it is empty: each once."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await connection.set("reopener:inbox:7", "not a sorted set")
        for name, thread_id in (("a", 5), ("poison", 7), ("b", 5)):
            await receiver.commit.admit([event(name, thread_id=thread_id)])
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    (used,), (refused,), (drained,) = (
        told(caplog, f"spool.{what}") for what in ("used", "refused", "drained")
    )
    assert "'reason': 'cut before', 'deliveries': 0" in used
    assert "'deliveries': 1, 'error':" in refused
    assert "WRONGTYPE" in refused
    assert "'deliveries': 2, 'refused': 1" in drained


@pytest.mark.parametrize(("fault", "is_the_disks"), FAULTS)
async def test_a_disk_that_takes_nothing_is_told(ledger, tmp_path, caplog, monkeypatch, fault, is_the_disks):
    """Whatever a write fails with, the helpdesk is told to come again and the log says why."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        with monkeypatch.context() as failing:
            failing.setattr(receiver.spool, "write", lambda _: raises(fault))
            answer = await tried_one(receiver, event("lost"))
        assert await tried_one(receiver, event("kept too")) == "accepted"
    if is_the_disks:
        assert answer == f"Redis is away, and the spool cannot be written: {fault}"
        assert str(fault) in told(caplog, "spool.cannot_write")[0]
    else:
        assert answer == "a fault of ours: ZeroDivisionError"
    assert len(told(caplog, "spool.fault")) == (not is_the_disks)


@pytest.mark.parametrize(("fault", "is_the_disks"), FAULTS)
async def test_a_disk_that_cannot_be_read_is_told(
    ledger, connection, tmp_path, caplog, monkeypatch, fault, is_the_disks
):
    """Whatever reading fails with, the log says why, and it is read again."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        faults, first = [fault], receiver.spool.first
        reading = receiver.spool, "first"
        monkeypatch.setattr(*reading, lambda *how: raises(faults.pop()) if faults else first(*how))
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert len(told(caplog, "spool.cannot_read")) == is_the_disks
    assert len(told(caplog, "spool.fault")) == (not is_the_disks)
    assert await waiting_in(connection) == ["kept"]


@pytest.mark.parametrize(("fault", "is_the_disks"), FAULTS)
async def test_a_disk_that_hangs_is_told(ledger, tmp_path, caplog, monkeypatch, fault, is_the_disks):
    """The log says that it hangs, once, and of what it ends with what is a fault of ours; then it is used."""
    monkeypatch.setattr(detours, "WRITE_SECONDS", 0.05)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        goes_on = threading.Event()
        with monkeypatch.context() as hanging:
            hanging.setattr(receiver.spool, "write", lambda _: goes_on.wait(10) and raises(fault))
            assert "hangs" in await tried_one(receiver, event("lost"))
        monkeypatch.setattr(detours, "WRITE_SECONDS", 10.0)
        goes_on.set()
        await receiver.until(lambda: not receiver.detour._is_stuck)
        assert await tried_one(receiver, event("kept")) == "accepted"
    assert len(told(caplog, "spool.disk_hangs")) == 1
    assert len(told(caplog, "spool.fault")) == (not is_the_disks)


def raises(fault: Exception) -> None:
    raise fault


async def test_redis_is_tried_with_one_and_then_emptied_into_with_many(ledger, tmp_path):
    """What Redis is asked while it is away is little; once it has taken one it is asked for many at a time,
    and after an error for one again.
    """
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        for number in range(2 * detours.DRAINED_TOGETHER):
            await receiver.commit.admit([event(f"e{number}")])
        sizes: list[int] = []
        admit = receiver.way.admit_together

        async def noted(deliveries, *, ages_ms=()):
            sizes.append(len(deliveries))
            receiver.way.is_cut = lambda: len(sizes) in {1, 4}
            return await admit(deliveries, ages_ms=ages_ms)

        receiver.way.admit_together = noted
        await receiver.drained()
    assert sizes == [1, 1, detours.DRAINED_TOGETHER, 63, 1, 62]


async def test_redis_is_tried_with_one_after_a_start_too(ledger, tmp_path):
    """Nobody knows yet whether it is there."""
    spool = Spool(tmp_path, limit_bytes=MB)
    left = [event(f"e{number}") for number in range(3)]
    spool.write([([each], packed_delivery([each]), SystemClock().now_ms()) for each in left])
    spool.close()
    receiver = Receiving(ledger, tmp_path)
    sizes: list[int] = []
    receiver.way.is_refused = lambda deliveries: sizes.append(len(deliveries))
    await receiver.drained()
    await receiver.detour.stop()
    assert sizes == [1, 2]


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), OSError("gone"), ZeroDivisionError()])
async def test_nothing_is_tried_again_at_once(ledger, tmp_path, monkeypatch, fault):
    """Neither Redis nor the disk is asked without a pause while it fails, which can be for hours."""
    monkeypatch.setattr(detours, "AGAIN_SECONDS", 3600.0)
    tried: list[int] = []
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True

        def first(*_: int) -> None:
            tried.append(1)
            raises(fault)

        monkeypatch.setattr(receiver.spool, "first", first)
        for number in range(10):
            await tried_one(receiver, event(f"e{number}"))
        assert len(tried) == 1


async def test_a_redis_that_hangs_keeps_what_waits(ledger, connection, tmp_path, caplog, monkeypatch):
    """What is not answered in time is asked again: that is no fault of ours, and nothing is lost."""
    monkeypatch.setattr(detours, "DRAIN_SECONDS", 0.01)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        hangs, admit = [True, True], receiver.way.admit_together

        async def hanging(deliveries, *, ages_ms=()):
            if hangs:
                hangs.pop()
                await asyncio.Event().wait()
            monkeypatch.setattr(detours, "DRAIN_SECONDS", 10.0)
            return await admit(deliveries, ages_ms=ages_ms)

        receiver.way.admit_together = hanging
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert not hangs
    assert await waiting_in(connection) == ["kept"]
    assert told(caplog, "spool.fault") == told(caplog, "spool.cannot_read") == []


async def test_what_nobody_confirmed_stays_on_the_disk(ledger, tmp_path):
    """Where replicas or disks of Redis have to confirm, the spool keeps a delivery until they did."""
    confirmations = [LedgerUnavailable("not yet"), None]
    kept: list[int] = []
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("kept")])
        admit = receiver.way.admit_together

        async def confirm() -> None:
            kept.append(len(receiver.spool.first(64, MB)))
            fault = confirmations.pop(0)
            if fault is not None:
                raise fault

        async def admitted(deliveries, *, ages_ms=()):
            return replace(await admit(deliveries, ages_ms=ages_ms), confirm=confirm)

        receiver.way.admit_together = admitted
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert kept == [1, 1]
    assert confirmations == []


async def test_what_came_in_the_future_came_now(ledger, connection, tmp_path):
    """Where this machine's clock was set back while a delivery waited, it is not admitted ahead of time."""
    spool = Spool(tmp_path, limit_bytes=MB)
    early = event("early")
    spool.write([([early], packed_delivery([early]), SystemClock().now_ms() + 3_600_000)])
    spool.close()
    async with receiving(ledger, tmp_path) as receiver:
        await receiver.drained()
        await receiver.commit.admit([event("later")])
    assert await waiting_in(connection) == ["early", "later"]
    (record,) = await ledger.reads.reopens([reopen_id("desk", "early")])
    assert record.created_ms <= SystemClock().now_ms()


async def test_a_delivery_that_is_larger_than_the_spool_is_refused(ledger, tmp_path):
    """Its own size counts: the bound is kept by a single one too."""
    async with receiving(ledger, tmp_path / "spool", limit_bytes=MB) as receiver:
        receiver.way.is_cut = lambda: True
        large = event("large", text="x" * MB)
        assert await tried_one(receiver, large) == "Redis is away, and the spool is full"


@pytest.mark.parametrize("fault", [sqlite3.OperationalError("locked"), OSError("gone")])
async def test_what_was_refused_is_asked_for_again_after_a_fault_of_the_disk(
    ledger, connection, tmp_path, monkeypatch, fault
):
    """A disk that failed just when it was to be tried again is tried the next time."""
    monkeypatch.setattr(detours, "TIDY_SECONDS", 0.01)
    faults = [fault]
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_refused = lambda _: True
        receiver.way.is_cut = lambda: True
        tidy = receiver.spool.tidy
        monkeypatch.setattr(receiver.spool, "tidy", lambda: raises(faults.pop()) if faults else tidy())
        await receiver.commit.admit([event("once refused")])
        receiver.way.is_cut = lambda: False
        await receiver.until(lambda: not faults)
        receiver.way.is_refused = lambda _: False
        await receiver.until(lambda: not receiver.detour.state.refused and not receiver.detour.is_taken)
    assert await waiting_in(connection) == ["once refused"]


async def test_a_receiver_that_ended_is_at_nothing(ledger, tmp_path):
    """While Redis is away, too: no task and no thread of it goes on, and another may have its folder."""
    receiver = Receiving(ledger, tmp_path / "spool")
    receiver.way.is_cut = lambda: True
    await receiver.commit.admit([event("waits")])
    await receiver.detour.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [each for each in threading.enumerate() if each.name.startswith("spool")]
    Spool(tmp_path / "spool", limit_bytes=MB).close()
