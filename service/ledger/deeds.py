"""What people asked for lately, done once more where Redis forgot it (rule 13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from service.ledger.recent import Recent
from service.logs import get_logger

if TYPE_CHECKING:
    from service.domain.ports import Ticker
    from service.ledger.scripts import Scripts

DEED_BYTES = 500
"""What one takes here beside its arguments, about."""
MISSING_SECONDS = 60.0
"""So long a reopen may be missing that its receiver has yet to admit once more."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Deed:
    """A verb as a script took it, and what that is told where it is done once more."""

    script: str
    args: tuple[str | bytes, ...]
    again: tuple[str, ...]


class Deeds:
    """The deeds of one process, in order. What was done to a reopen after one of them is not undone by it."""

    def __init__(self, scripts: Scripts, ticker: Ticker, run_id: Callable[[], Awaitable[str]]) -> None:
        self._scripts = scripts
        self._ticker = ticker
        self._run_id = run_id
        self._recent: Recent[_Deed] = Recent(ticker)

    def keep(self, script: str, args: tuple[str | bytes, ...], again: tuple[str, ...], epoch: str) -> None:
        """`again` follows `args` where it is done once more: when it was done, and what was there before."""
        size_bytes = DEED_BYTES + sum(map(len, args))
        self._recent.add(_Deed(script, args, again), size_bytes, epoch)

    async def watch(self) -> None:
        """Do once more what Redis forgot. To be called every second or so; raises `LedgerUnavailable`."""
        if not self._recent:
            return
        asked_at = self._ticker.boottime()
        epoch, again = await self._run_id(), 0
        for kept in self._recent.behind(epoch):
            outcome = await self._do_again(kept.item)
            is_late = kept.at + MISSING_SECONDS < self._ticker.boottime()
            if outcome != "missing" or is_late:
                self._recent.caught_up([kept], epoch)
                again += outcome == "done"
        self._recent.confirmed(epoch, asked_at)
        if again:
            log.warning("redis.started_anew", verbs_done_again=again)

    async def _do_again(self, deed: _Deed) -> str:
        """What the script says of it. One that Redis refuses for good does not keep back those behind it."""
        try:
            outcome, *_ = await self._scripts.run(deed.script, *deed.args, *deed.again)
        except ResponseError:
            log.exception("redis.verb_refused", script=deed.script)
            return "refused"
        return str(outcome)
