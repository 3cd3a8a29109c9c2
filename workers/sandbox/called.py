"""The calls that reached the sandbox, for whoever wants to know what Acquire was asked."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.sandbox.http import now_ms

if TYPE_CHECKING:
    from workers.sandbox.http import Request

KEPT_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class Called:
    """One call. Clocks: unix ms, and boottime in seconds."""

    ms: int
    boottime: float
    call: str
    method: str
    path: str
    query: list[tuple[str, str]]
    body: str
    outcome: str


class CallLog:
    """The latest calls, in order of their end, and how many of each name were answered as asked."""

    def __init__(self) -> None:
        self.latest: deque[Called] = deque(maxlen=KEPT_CALLS)
        self.counts: Counter[str] = Counter()

    def note(self, request: Request, call: str, outcome: str) -> None:
        """`outcome` is the answer's status, or "cut"."""
        self.latest.append(
            Called(
                ms=now_ms(),
                boottime=time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else 0.0,
                call=call,
                method=request.method,
                path=request.path,
                query=request.query,
                body=request.body.decode("utf-8", "replace"),
                outcome=outcome,
            )
        )

    def clear(self) -> None:
        self.latest.clear()
        self.counts.clear()
