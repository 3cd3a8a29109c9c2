"""The signals that ask a process of ours to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


def on_stop(handler: Handler) -> None:
    """Call `handler` at SIGTERM, SIGINT and SIGHUP. In the main thread only.

    Who started us with SIGHUP ignored (nohup) means us to outlive the terminal.
    """
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)
