"""A worker's side of the ledger: claim, save, finish, under a lease (rules 2, 3, 7, 12)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from service.domain.breaker import FIRST_PACE
from service.domain.errors import Fenced
from service.domain.ports import Claimed, Lease, Unclaimed
from service.domain.reopens import DONE
from service.ledger import codec, thread_codec
from service.ledger.care import place_from
from service.ledger.links import WAITS_FOR_LINK, link_of
from service.ledger.rewrites import Rewrites, Written
from service.ledger.scripts import ask, packed, packed_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis.asyncio import Redis

    from service.domain.ports import Observation, Ticker, Wanted, Write
    from service.domain.reopens import Reopen
    from service.domain.threads import Thread
    from service.ledger.scripts import Scripts


class Leases:
    """The ledger as `service.domain.ports.Ledger` describes it."""

    def __init__(
        self, scripts: Scripts, connection: Redis, ticker: Ticker, *, lease_ms: int, quarantine_ms: int
    ) -> None:
        self._scripts = scripts
        self._connection = connection
        self._ticker = ticker
        self._lease_ms = lease_ms
        self._quarantine_ms = quarantine_ms
        self.rewrites = Rewrites(scripts, ticker, quarantine_ms=quarantine_ms)

    async def claim(
        self, name: str, *, bell: str | None, token: str, wanted: Wanted | None = None
    ) -> Claimed | Unclaimed:
        asked_at = self._ticker.boottime()
        place = packed(wanted) if wanted else ""
        limits = (self._quarantine_ms, self._lease_ms)
        row = await self._scripts.run("claim", name, bell or "", token, *limits, place)
        return self._claimed(row, token, asked_at)

    async def save(self, lease: Lease, thread: Thread, *writes: Write, durably: bool = False) -> Lease:
        asked_at = self._ticker.boottime()
        row = await self._write("save", lease, thread, writes, (), durably=durably)
        return replace(
            lease,
            asked_at=asked_at,
            redis_ms=int(row[1]),
            noted=(),
            known_cases=frozenset(thread.cases),
            step=lease.step + 1,
        )

    async def finish(
        self, lease: Lease, thread: Thread, *writes: Write, observed: Sequence[Observation] = ()
    ) -> Claimed | None:
        asked_at = self._ticker.boottime()
        row = await self._write("finish", lease, thread, writes, observed)
        following = self._claimed(row[:-1], lease.token, asked_at, step=lease.step + 1)
        return following if isinstance(following, Claimed) else None

    async def reroot(self, lease: Lease, root: int) -> None:
        if not await self._scripts.run("reroot", lease.box, lease.token, str(root)):
            raise Fenced

    async def linked(self, reopen: Reopen) -> tuple[int, int] | None:
        link = await link_of(self._connection, reopen.source, reopen.ticket_id or "")
        return (link.contact_id, link.thread_id) if link else None

    async def place(self, lease: Lease, reopen: Reopen, contact_id: int, thread_id: int) -> None:
        ids = (reopen.source, reopen.ticket_id or "", str(contact_id), str(thread_id))
        reasons = ("", "[]", packed(WAITS_FOR_LINK))
        row = await self._scripts.run("link", *ids, *reasons, lease.box, lease.token, "", "", "")
        if row[0] == "fenced":
            raise Fenced

    async def release(self, lease: Lease) -> None:
        """Give the lease back unworked; its head is due at once and spends nothing. Where it was lost, its
        claim is known to have ended.
        """
        await self._scripts.run("release", lease.box, lease.token)

    async def renew(self, held: Iterable[Lease]) -> set[str]:
        """Show that the holder lives; returns the boxes whose lease is lost."""
        pairs = [part for lease in held for part in (lease.box, lease.token)]
        return set(await self._scripts.run("renew", *pairs)) if pairs else set()

    async def fetch(self, reopen_id: str) -> Reopen | None:
        fields: dict[bytes, bytes] = await self._ask(self._connection.hgetall(f"reopener:r:{reopen_id}"))
        if fields:
            return codec.reopen_from({name.decode(): value.decode() for name, value in fields.items()})
        kept: bytes | None = await self._ask(self._connection.get(f"reopener:d:{reopen_id}"))
        return codec.reopen_from(codec.archived_fields(reopen_id, kept)) if kept else None

    async def note_read_lag(self, lag_ms: int) -> None:
        known = await self._ask(self._connection.hget("reopener:account", "read_lag_ms"))
        if lag_ms > int(known or 0):
            await self._ask(self._connection.hset("reopener:account", "read_lag_ms", str(lag_ms)))

    async def stop_account(self, why: str, until_ms: int, detail: str, *, probes: bool) -> int:
        told = (why, until_ms, "1" if probes else "0", "", detail, str(FIRST_PACE), "" if probes else "1")
        row = await self._scripts.run("stop", "", *told)
        return int(row[1])

    _ask = staticmethod(ask)

    async def _write(
        self,
        mode: str,
        lease: Lease,
        thread: Thread,
        writes: Sequence[Write],
        observed: Sequence[Observation],
        *,
        durably: bool = False,
    ) -> list[Any]:
        run = self._scripts.run_durably if durably else self._scripts.run
        fields, records = thread_codec.thread_fields(thread), [_told(write) for write in writes]
        duplicates, unsettled = "1" if thread.duplicates else "0", "1" if thread.unsettled else "0"
        seen = [str(effect) for effect, _ in observed]
        new_cases = set(thread.cases) - lease.known_cases - {thread.id}
        row: list[Any] = await run(
            "write",
            mode,
            lease.box,
            lease.token,
            lease.epoch,
            self._quarantine_ms,
            self._lease_ms,
            lease.step + 1,
            *packed_apart(
                {
                    "thread": fields,
                    "observed": [
                        (name, thread_codec.claim_text(claim))
                        for name, (_, claim) in zip(seen, observed, strict=True)
                    ],
                    "settled": [*map(str, lease.noted), *seen],
                    "records": records,
                    "duplicates": duplicates,
                    "cases": [str(case_id) for case_id in sorted(new_cases)],
                    "unsettled": unsettled,
                }
            ),
        )
        if row[0] == "fenced":
            raise Fenced
        cases = [str(case_id) for case_id in sorted(thread.cases) if case_id != thread.id]
        written = Written(lease.box, int(row[-1]), fields, duplicates, unsettled, cases, records)
        self.rewrites.keep(written, lease.epoch)
        return row

    def _claimed(self, row: list[Any], token: str, asked_at: float, *, step: int = 0) -> Claimed | Unclaimed:
        if row[0] == "unclaimed":
            until_ms = int(row[2])
            return Unclaimed(row[1], until_ms or None)
        _, box, epoch, now, read_lag_ms, forgot_ms, record, thread_fields, *place = row
        reopen = codec.reopen_from(_pairs(record))
        thread_id = int(box) if box.isdigit() else 0
        thread, noted = thread_codec.thread_from(thread_id, _pairs(thread_fields), int(now))
        known_cases = frozenset(thread.cases)
        lease = Lease(box, token, epoch, self._lease_ms, asked_at, int(now), noted, known_cases, step)
        given = place_from(place[0]) if place else None
        return Claimed(lease, reopen, thread, int(read_lag_ms), int(forgot_ms), given)


def _told(write: Write) -> dict[str, object]:
    reopen = write.reopen
    told: dict[str, object] = {
        "id": reopen.id,
        "expect": write.expect.value if write.expect else "",
        "status": reopen.status.value,
        "fields": codec.worker_fields(reopen),
    }
    if reopen.status in DONE:
        told |= {"case": str(reopen.new_case_id or ""), "rest": codec.archive_rest(reopen)}
    return told


def _pairs(told: str) -> dict[str, str]:
    flat = json.loads(told)  # an empty list is an object to Lua
    return dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}
