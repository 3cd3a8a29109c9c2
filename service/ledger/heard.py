"""Deliveries looked up by what they were about, in the stream of the latest; bounded, a step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.ledger.reads import SCANNED_DELIVERIES, Delivery, delivery_from

if TYPE_CHECKING:
    from service.ledger.scripts import Scripts

STEP = 500
"""Entries looked at in one script: a few milliseconds of Redis' time."""


class Heard:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def of_event(self, event_id: str, *, count: int = 20) -> list[Delivery]:
        """Deliveries whose event or ticket had this id, newest first."""
        return await self._scan("event_id", event_id, count)

    async def of_delivery(self, delivery_id: str) -> list[Delivery]:
        """What became of one delivery; a batch has a line for each event, of which one is named."""
        return await self._scan("id", delivery_id, 1)

    async def _scan(self, field: str, value: str, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        cursor, looked_at = "", 0
        while looked_at < SCANNED_DELIVERIES and len(found) < count:
            cursor, *rows = await self._scripts.run("heard", field, value, cursor, STEP, count - len(found))
            found += [delivery_from(dict(zip(row[::2], row[1::2], strict=True))) for row in rows]
            looked_at += STEP
            if not cursor:
                break
        return found
