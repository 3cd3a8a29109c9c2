"""What a worker wrote lately, written once more where Redis forgot it (rule 13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.recent import Recent
from service.ledger.scripts import packed_apart
from service.logs import get_logger

if TYPE_CHECKING:
    from service.domain.ports import Ticker
    from service.ledger.recent import Kept
    from service.ledger.scripts import Scripts

BOXES_TOGETHER = 50
RECORD_BYTES = 1_000
"""What a record takes here, about."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """One write of a thread and records, as the script took it, and the how-manieth that was."""

    box: str
    revision: int
    thread: list[str]
    duplicates: str
    unsettled: str
    cases: list[str]
    records: list[dict[str, object]]


class Rewrites:
    """The writes of one process. A new run of Redis takes them only while its quarantine lasts: after that,
    others may have gone on from what it remembered.
    """

    def __init__(self, scripts: Scripts, ticker: Ticker, *, quarantine_ms: int) -> None:
        self._scripts = scripts
        self._quarantine_ms = quarantine_ms
        self._recent: Recent[Written] = Recent(ticker)

    def keep(self, written: Written, epoch: str) -> None:
        size_bytes = sum(map(len, written.thread)) + RECORD_BYTES * len(written.records)
        self._recent.add(written, size_bytes, epoch)

    async def catch_up(self, epoch: str, asked_at: float) -> None:
        """The run of Redis is `epoch`, as it said when it was asked at `asked_at` (boottime). To be called
        again and again: what a record was is written when its receiver has admitted it once more. Raises
        `LedgerUnavailable`.
        """
        behind = self._recent.behind(epoch)
        if not behind:
            self._recent.confirmed(epoch, asked_at)
            return
        written_in = behind[-1].epoch
        self._recent.keep_only(written_in, epoch)
        of_boxes = _by_box(kept for kept in behind if kept.epoch == written_in)
        boxes, left = list(of_boxes), 0
        for first in range(0, len(boxes), BOXES_TOGETHER):
            some = boxes[first : first + BOXES_TOGETHER]
            told = packed_apart([_latest(of_boxes[box]) for box in some])
            state, *missing = await self._scripts.run("again", self._quarantine_ms, written_in, *told)
            if state == "late":
                self._recent.keep_only(epoch)
                log.warning("redis.started_anew", boxes_too_late=len(boxes) - first)
                return
            left += len(missing)
            for box in some:
                if box not in missing:
                    self._recent.caught_up(of_boxes[box], epoch)
        if left < len(boxes):
            log.warning("redis.started_anew", boxes_written_again=len(boxes) - left, boxes_left=left)


def _by_box(behind: Iterable[Kept[Written]]) -> dict[str, list[Kept[Written]]]:
    of_boxes: dict[str, list[Kept[Written]]] = {}
    for kept in behind:
        of_boxes.setdefault(kept.item.box, []).append(kept)
    return of_boxes


def _latest(of_box: Sequence[Kept[Written]]) -> dict[str, object]:
    """A thread as it was written last, with each of its records as that was written last."""
    last = of_box[-1].item
    records = {
        record["id"]: {**record, "revision": kept.item.revision}
        for kept in of_box
        for record in kept.item.records
    }
    return {
        "box": last.box,
        "revision": last.revision,
        "thread": last.thread,
        "duplicates": last.duplicates,
        "unsettled": last.unsettled,
        "cases": last.cases,
        "records": list(records.values()),
    }
