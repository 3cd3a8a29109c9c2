"""Whether Redis is still the one that confirmed is asked again and again."""

from __future__ import annotations

import asyncio

import pytest

from service.domain.errors import LedgerUnavailable
from service.intake import watch
from service.intake.watch import Watch


@pytest.mark.parametrize("fault", [LedgerUnavailable("away"), RuntimeError("a fault of ours")])
async def test_it_goes_on_whatever_a_look_ends_with(monkeypatch: pytest.MonkeyPatch, fault: Exception):
    """After an outage it looks again: that is when Redis may have forgotten."""
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
