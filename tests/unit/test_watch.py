"""Whether Redis is still the one that confirmed is asked again and again."""

from __future__ import annotations

import asyncio

import pytest

from service.domain.errors import LedgerUnavailable
from service.intake import watch
from service.intake.watch import Watch


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), RuntimeError("a fault of ours")])
async def test_it_goes_on_whatever_a_look_ends_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
):
    """After an outage it looks again: that is when Redis may have forgotten. A fault of ours is told."""
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.001)
    faults, looked = [fault, fault], asyncio.Event()

    async def look() -> None:
        if faults:
            raise faults.pop()
        looked.set()

    watching = Watch(look)
    watching.start()
    await asyncio.wait_for(looked.wait(), 10)
    await watching.stop()
    told = [] if isinstance(fault, LedgerUnavailable) else ["watch.fault"] * 2
    assert [record.message for record in caplog.records] == told


async def test_every_look_is_made_in_its_turn(monkeypatch: pytest.MonkeyPatch):
    """All that is to be looked after is, again and again, until the watch ends."""
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.001)
    looks: list[str] = []
    enough = asyncio.Event()

    async def first() -> None:
        looks.append("first")

    async def second() -> None:
        looks.append("second")
        if len(looks) == 4:
            enough.set()

    watching = Watch(first, second)
    watching.start()
    await asyncio.wait_for(enough.wait(), 10)
    await watching.stop()
    assert looks[:4] == ["first", "second"] * 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_redis_is_not_asked_all_the_time():
    """A look costs Redis a question of every receiver: it is made when its time has come, and not before."""
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    watching = Watch(look)
    watching.start()
    for _ in range(100):
        await asyncio.sleep(0)
    await watching.stop()
    assert not looked.is_set()


async def test_what_never_began_can_be_stopped():
    """A receiver that is stopped while it starts stops everything."""
    await Watch().stop()
