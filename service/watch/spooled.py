"""What waits on this receiver's disk is a problem while it waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from service.spoken import lasting, number
from service.watch.problems import Problem

if TYPE_CHECKING:
    from service.intake.spool import SpoolState


def of_spool(spool: SpoolState | None, now_ms: int) -> Iterator[Problem]:
    if spool is None:
        return
    if spool.refused:
        yield Problem(
            "bad",
            f"Redis refuses {number(spool.refused)} on this receiver's disk",
            "The log says why (spool.refused). They are kept there, and asked for again each minute.",
        )
    if spool.deliveries:
        ago = lasting(max(0, now_ms - (spool.oldest_ms or now_ms)) / 1000)
        used = f"{spool.bytes * 100 // spool.limit_bytes} % of its room is used."
        yield Problem(
            "wait",
            f"{number(spool.deliveries)} wait on this receiver's disk, the first for {ago}",
            f"They go on to Redis by themselves, in order. {used}",
        )
