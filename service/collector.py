"""Python's garbage collector, in processes that serve for long."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""After so many new ones the collector looks among them; Python's own 700 are a few deliveries."""


def leave_alone_what_is_there() -> None:
    """What was made up to here stays: looking through it over and over costs a pause each time (a tenth of a
    second, in a worker). The young are many, and nearly all die at once.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
