"""What people asked for lately (retry, cancel), done once more where Redis forgot it (rule 13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.ledger.recent import Recent
from service.logs import get_logger

if TYPE_CHECKING:
    from service.domain.ports import Ticker
    from service.ledger.scripts import Scripts

DEED_BYTES = 1_000
MISSING_SECONDS = 60.0
"""So long a reopen may be missing that its receiver has yet to admit once more."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Deed:
    """A verb as `verb.lua` took it, and when it was done (unix ms, Redis' time)."""

    args: tuple[str | bytes, ...]
    done_ms: str


class Deeds:
    """The deeds of one process, in order. What was done to a reopen after one of them is not undone by it."""

    def __init__(self, scripts: Scripts, ticker: Ticker, run_id: Callable[[], Awaitable[str]]) -> None:
        self._scripts = scripts
        self._ticker = ticker
        self._run_id = run_id
        self._recent: Recent[_Deed] = Recent(ticker)

    def keep(self, args: tuple[str | bytes, ...], done_ms: str, epoch: str) -> None:
        self._recent.add(_Deed(args, done_ms), DEED_BYTES, epoch)

    async def watch(self) -> None:
        """Do once more what Redis forgot. To be called every second or so; raises `LedgerUnavailable`."""
        if not self._recent:
            return
        asked_at = self._ticker.boottime()
        epoch, again = await self._run_id(), 0
        for kept in self._recent.behind(epoch):
            outcome, *_ = await self._scripts.run("verb", *kept.item.args, kept.item.done_ms)
            is_late = kept.at + MISSING_SECONDS < self._ticker.boottime()
            if outcome != "missing" or is_late:
                self._recent.caught_up([kept], epoch)
                again += outcome == "done"
        self._recent.confirmed(epoch, asked_at)
        if again:
            log.warning("redis.started_anew", verbs_done_again=again)
