"""The time that a worker has to leave."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.clocks import HandClock
from workers import leaving as steps
from workers.leaving import Leaving, log

TIMEOUT_SECONDS = 10.0


class Left:
    """A worker that is about to leave, and the statuses that its process was ended with."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.statuses: list[int] = []
        self.leaving = Leaving(self.clock, timeout_seconds=TIMEOUT_SECONDS, end=self.statuses.append)

    def after(self, seconds: float) -> None:
        self.clock.moment += timedelta(seconds=seconds)


@pytest.fixture
def left() -> Iterator[Left]:
    handler = signal.getsignal(signal.SIGALRM)
    yield Left()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)


def test_every_step_has_its_time_from_the_first_signal_on(left: Left):
    """A step may last until so long after the call time-out, a second signal gives no more time, and what is
    past has none left.
    """
    assert left.leaving.left(0.5) == TIMEOUT_SECONDS + 0.5
    left.leaving.begin()
    left.after(4.0)
    left.leaving.begin()
    assert left.leaving.left(0.5) == TIMEOUT_SECONDS + 0.5 - 4.0
    left.after(TIMEOUT_SECONDS)
    assert left.leaving.left(0.5) == 0.0


def test_calls_that_begin_late_still_end_in_time(left: Left):
    """One that begins at the last moment has half of its time-out left; what hangs then is cut off."""
    assert left.leaving.last_begin_seconds == TIMEOUT_SECONDS / 2


def test_steps_end_in_their_order():
    """Calls, handing back, the engine, the books, and the process at last: within a second in all."""
    ends = [
        steps.CALLS_END_SECONDS,
        steps.HANDED_BACK_SECONDS,
        steps.ENGINE_ENDS_SECONDS,
        steps.BOOKS_CLOSE_SECONDS,
        steps.PROCESS_ENDS_SECONDS,
    ]
    assert ends == sorted(set(ends))
    assert 0 < ends[0] < ends[-1] < 1


def test_the_process_ends_whatever_hangs(left: Left):
    """An alarm is set at the signal, for a moment within a second after the call time-out."""
    left.leaving.begin()
    assert TIMEOUT_SECONDS < signal.getitimer(signal.ITIMER_REAL)[0] <= TIMEOUT_SECONDS + 1
    signal.raise_signal(signal.SIGALRM)
    assert left.statuses == [0]


def test_the_process_ends_though_its_log_does_not_take_a_word(left: Left, monkeypatch: pytest.MonkeyPatch):
    """The disk that the log is on may be what hangs, or is full."""

    def full(*_: object, **__: object) -> None:
        raise OSError

    left.leaving.begin()
    monkeypatch.setattr(log, "warning", full)
    with pytest.raises(OSError):
        signal.raise_signal(signal.SIGALRM)
    assert left.statuses == [0]


def test_a_worker_that_ended_by_itself_says_so_by_its_status(left: Left):
    """Whoever looks after it starts it again."""
    left.leaving.end(1)
    left.leaving.end(0)
    assert left.statuses == [1, 0]
