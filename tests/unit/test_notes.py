"""Notes are written behind the answers."""

from __future__ import annotations

import asyncio

from service import notes
from service.notes import Notes


async def test_a_fault_in_writing_does_not_end_the_writing(monkeypatch):
    """What could not be written over a fault of ours is lost, and what comes later is written."""
    monkeypatch.setattr(notes, "FLUSH_SECONDS", 0.001)
    written: list[str] = []
    tried = asyncio.Queue[str]()

    async def write(batch):
        tried.put_nowait(batch[0])
        if batch[0] == "bad":
            raise ValueError(batch[0])
        written.extend(batch)

    kept = Notes(write)
    kept.start()
    for each in ("bad", "good"):
        kept.add(each)
        assert await asyncio.wait_for(tried.get(), 5) == each
    await kept.stop()
    assert written == ["good"]
