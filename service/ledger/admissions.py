"""Admits events, and admits them once more where Redis may have forgotten them (rules 1, 13)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.domain.errors import NotAdmitted
from service.ledger.admission import Admission, Admitted, Together, packed_delivery
from service.ledger.recent import Recent
from service.ledger.scripts import packed
from service.logs import get_logger
from service.queue import BELL_PREFIX, MOULD_BELL, MOULD_NAME, MOULD_TIME, written_now

if TYPE_CHECKING:
    from service.domain.ports import Ticker
    from service.ledger.recent import Kept
    from service.ledger.scripts import Scripts
    from service.queue import Bells

KEPT_DELIVERIES = 20_000
AGAIN_TOGETHER = 64
AGAIN_TOGETHER_BYTES = 1024 * 1024

log = get_logger(__name__)


class Admissions:
    """Admits events, and once more what Redis may have forgotten when it started anew (rule 13)."""

    def __init__(
        self, scripts: Scripts, bells: Bells, ticker: Ticker, *, bell_ms: int, quarantine_ms: int
    ) -> None:
        self._scripts = scripts
        bell = bells.mould()
        self._mould = packed(
            [bell.job_key, bell.queue_key, bell.queues_key, MOULD_NAME, MOULD_BELL, BELL_PREFIX, *bell.fields]
        )
        self._ticker = ticker
        self._bell_ms = bell_ms
        self._quarantine_ms = quarantine_ms
        self._recent: Recent[_Confirmed] = Recent(ticker)

    async def admit(self, admissions: Sequence[Admission]) -> list[Admitted]:
        """All of them stored, or none. Raises `LedgerUnavailable` where that is not known."""
        together = await self.admit_together([packed_delivery(admissions)])
        (outcome,) = await together.confirmed()
        if isinstance(outcome, NotAdmitted):
            raise outcome
        return outcome

    async def admit_together(self, deliveries: Sequence[bytes], *, ages_ms: Sequence[int] = ()) -> Together:
        """What became of each delivery (`packed_delivery`): one round trip for all of them.

        Each is stored as a whole or not at all, and one that Redis refuses does not keep the others out.
        `ages_ms` tells how long ago each came, where that was not just now. Raises `LedgerUnavailable` where
        it is not known what was stored.
        """
        if self._recent.is_mixed:
            await self.watch()
        while True:
            written = await self._scripts.write(
                "admit", *self._asked(deliveries, ages_ms, self._recent.epoch)
            )
            epoch, *rows = written.answer
            if rows:
                break
            if written.confirm is not None:
                await written.confirm()
            await self._catch_up(epoch)
        if deliveries:
            self._keep(deliveries, ages_ms, epoch)
        return Together([_outcome(row) for row in json.loads(rows[0])], written.confirm)

    async def watch(self) -> None:
        """Admit once more what Redis forgot, where nothing else asks it. To be called every second or so:
        what is kept is let go only when Redis says that it is still the same.
        """
        if not self._recent:
            return
        asked_at = self._ticker.boottime()
        epoch, *rows = await self._scripts.run("admit", *self._asked((), (), self._recent.epoch))
        if not rows or self._recent.is_mixed:
            await self._catch_up(epoch)
        else:
            self._recent.confirmed(epoch, asked_at)

    async def _catch_up(self, epoch: str) -> None:
        """Whoever is cut off in the middle of it, or does it beside another, does no harm."""
        count = 0
        while behind := self._recent.behind(epoch):
            first = _first_of(behind)
            deliveries = [each for kept in first for each in kept.item.deliveries]
            now = self._ticker.boottime()
            ages_ms = [max(0, int((now - at) * 1000)) for kept in first for at in kept.item.came_at]
            asked = self._asked(deliveries, ages_ms, epoch, once_more=True)
            answer = await self._scripts.run("admit", *asked)
            if len(answer) == 1:
                epoch = answer[0]
                continue
            count += len(deliveries)
            self._recent.caught_up(first, epoch)
        self._recent.epoch = epoch
        log.warning("redis.started_anew", deliveries_admitted_again=count)

    def _keep(self, deliveries: Sequence[bytes], ages_ms: Sequence[int], epoch: str) -> None:
        now = self._ticker.boottime()
        came_at = [now - age_ms / 1000 for age_ms in ages_ms] or [now] * len(deliveries)
        self._recent.add(_Confirmed(deliveries, came_at), sum(map(len, deliveries)), epoch)

    def _asked(
        self, deliveries: Sequence[bytes], ages_ms: Sequence[int], epoch: str, *, once_more: bool = False
    ) -> tuple[str | bytes | int, ...]:
        return (
            self._quarantine_ms,
            self._bell_ms,
            KEPT_DELIVERIES,
            self._mould.replace(MOULD_TIME.encode(), written_now().encode()),
            b"[%b]" % b",".join(deliveries),
            packed(ages_ms),
            epoch,
            "1" if once_more else "0",
        )


@dataclass(frozen=True, slots=True)
class _Confirmed:
    """Deliveries that were admitted together, and when each came, on this machine's boottime in seconds."""

    deliveries: Sequence[bytes]
    came_at: Sequence[float]


def _first_of(behind: Sequence[Kept[_Confirmed]]) -> list[Kept[_Confirmed]]:
    """As many as one question takes, in order."""
    first: list[Kept[_Confirmed]] = []
    count = size_bytes = 0
    for kept in behind:
        count += len(kept.item.deliveries)
        size_bytes += kept.bytes
        if first and (count > AGAIN_TOGETHER or size_bytes > AGAIN_TOGETHER_BYTES):
            break
        first.append(kept)
    return first


def _outcome(rows: list[list[Any]] | str) -> list[Admitted] | NotAdmitted:
    if isinstance(rows, str):
        return NotAdmitted(f"Redis refuses this event: {rows}")
    return [Admitted(row[0], row[1], row[2], row[3], row[4] == "1") for row in rows]
