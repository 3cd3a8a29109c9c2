"""Attempts and calls to Acquire as this process saw them end, until they are told to the ledger."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from service.domain.errors import LedgerUnavailable
from service.ledger.tallies import bucket_of

if TYPE_CHECKING:
    from service.domain.reopens import AttemptOutcome, Call
    from service.ledger.tallies import Tallies

_SINGLE = {401: "unauthorized", 403: "unauthorized", 429: "throttled"}
_CLASSES = {2: "answered", 4: "refused", 5: "failed"}


class Tally:
    """Fields as `service.ledger.tallies` keeps them. Used in one event loop."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()

    def attempt(self, outcome: AttemptOutcome) -> None:
        self._counted[f"attempt:{outcome.value}"] += 1

    def call(self, call: Call) -> None:
        self._counted[f"call:{call.name}:{answer_of(call)}"] += 1
        self._counted[f"took:{call.name}:{bucket_of(call.duration_ms)}"] += 1
        self._counted[f"ms:{call.name}"] += call.duration_ms

    async def tell(self, tallies: Tallies) -> None:
        """Tell what was counted since the last time; what could not be told goes along the next time."""
        told, self._counted = self._counted, Counter()
        try:
            if told:
                await tallies.add(told)
        except LedgerUnavailable:
            self._counted.update(told)
            raise


def answer_of(call: Call) -> str:
    """How a call ended: one of `ANSWERS`."""
    if call.error is not None or call.http_status is None:
        return "no_answer"
    return _SINGLE.get(call.http_status) or _CLASSES.get(call.http_status // 100, "other")
