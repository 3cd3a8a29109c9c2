"""What Redis confirmed to this process lately: it may have forgotten that when it starts anew (rule 13)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.domain.ports import Ticker

Item = TypeVar("Item")

KEPT_SECONDS = 10.0
"""An AOF that is synced every second loses two at most; a replica may be some seconds behind."""
KEPT_BYTES = 32 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Kept(Generic[Item]):
    """`epoch` is the run of Redis that confirmed it, `at` when, on this machine's boottime in seconds."""

    item: Item
    bytes: int
    epoch: str
    at: float


class Recent(Generic[Item]):
    """Items in the order in which they were confirmed. None goes while Redis is away: only what the same run
    of Redis still knows `KEPT_SECONDS` later is taken for lasting.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._kept: deque[Kept[Item]] = deque()
        self._bytes = 0
        self._of_epoch: Counter[str] = Counter()
        self.epoch = ""
        """The run of Redis that all of them are known to; "" before the first answer."""

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def is_mixed(self) -> bool:
        """Of questions asked side by side, some were answered by an earlier run than others."""
        return len(self._of_epoch) > 1

    def add(self, item: Item, size_bytes: int, epoch: str) -> None:
        """The run `epoch` confirmed this."""
        self.epoch = epoch
        self._kept.append(Kept(item, size_bytes, epoch, self._ticker.boottime()))
        self._bytes += size_bytes
        self._of_epoch[epoch] += 1
        while self._bytes > KEPT_BYTES:
            self._drop_first()

    def confirmed(self, epoch: str, asked_at: float) -> None:
        """Redis was still the run `epoch` when it was asked. Its answer may have been read much later, by a
        process that was stopped meanwhile.
        """
        self.epoch = epoch
        until = asked_at - KEPT_SECONDS
        while self._kept and self._kept[0].epoch == epoch and self._kept[0].at < until:
            self._drop_first()

    def behind(self, epoch: str) -> list[Kept[Item]]:
        """What an earlier run than `epoch` confirmed, and this one may not know."""
        return [kept for kept in self._kept if kept.epoch != epoch]

    def caught_up(self, again: Iterable[Kept[Item]], epoch: str) -> None:
        """The run `epoch` knows these too."""
        now = self._ticker.boottime()
        for kept in again:
            self._uncount(kept)
            kept.epoch, kept.at = epoch, now
            self._of_epoch[epoch] += 1

    def keep_only(self, *epochs: str) -> None:
        """What other runs confirmed is of no use any more."""
        self._kept = deque(kept for kept in self._kept if kept.epoch in epochs)
        self._bytes = sum(kept.bytes for kept in self._kept)
        self._of_epoch = Counter(kept.epoch for kept in self._kept)

    def _drop_first(self) -> None:
        first = self._kept.popleft()
        self._bytes -= first.bytes
        self._uncount(first)

    def _uncount(self, kept: Kept[Item]) -> None:
        self._of_epoch[kept.epoch] -= 1
        if not self._of_epoch[kept.epoch]:
            del self._of_epoch[kept.epoch]
