"""How a worker leaves after a signal: in steps that end by themselves, whatever hangs.

    at the signal            nothing is taken any more; who waits for a place under the rate limit gives it up
    half the call time-out   no further call begins: what it belongs to is handed back
    the call time-out        the calls that were in flight have ended by their own limit
      + 0.2 s                what waits for a later call is cut off and handed back
      + 0.7 s                the engine has ended, and the books are closed
      + 0.9 s                the process has ended with status 0, wherever it was

What is not handed back by then (Redis hangs, say) is taken over by others when its lease has stood still.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from service.logs import get_logger

if TYPE_CHECKING:
    from service.clock import Clock

LAST_BEGIN_SHARE = 0.5
CALLS_END_SECONDS = 0.2
HANDED_BACK_SECONDS = 0.5
ENGINE_ENDS_SECONDS = 0.6
BOOKS_CLOSE_SECONDS = 0.7
PROCESS_ENDS_SECONDS = 0.9

log = get_logger(__name__)


class Leaving:
    """The time since the first signal, and the alarm that ends the process. Used by the main thread alone."""

    def __init__(
        self, clock: Clock, *, timeout_seconds: float, end: Callable[[int], object] = os._exit
    ) -> None:
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._end = end
        self._since: float | None = None

    @property
    def last_begin_seconds(self) -> float:
        """So long after the signal calls may still begin."""
        return LAST_BEGIN_SHARE * self._timeout_seconds

    def begin(self) -> None:
        """Asked to leave. Safe in a signal handler; again, it changes nothing."""
        if self._since is None:
            self._since = self._clock.monotonic()
            signal.signal(signal.SIGALRM, self._in_haste)
            signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds + PROCESS_ENDS_SECONDS)

    def left(self, step_seconds: float) -> float:
        """Seconds until a step that is so long after the call time-out; 0 where it is past."""
        return max(0.0, self._timeout_seconds + step_seconds - self._seconds())

    def end(self, status: int) -> None:
        """All is handed back and signed off. Nothing is left that the kernel does not do better: taking the
        interpreter apart takes up to half a second on a busy machine.
        """
        log.info("worker.left", seconds=round(self._seconds(), 3))
        self._end(status)

    def _seconds(self) -> float:
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def _in_haste(self, _number: int, _frame: FrameType | None) -> None:
        try:
            log.warning("worker.left_in_haste", seconds=round(self._seconds(), 3))
        finally:
            self._end(0)
