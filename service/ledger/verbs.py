"""What people ask for: retry, cancel, resolve, link, pause, run again. Each is compare-and-set (rule 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.domain.breaker import FIRST_PACE
from service.domain.errors import Conflict, NotFound
from service.domain.reopens import CANCELLABLE, RETRYABLE, RUN_AGAIN, Status
from service.ledger.admission import Admission
from service.ledger.audit import line
from service.ledger.links import RESOLVABLE, WAITS_FOR_LINK
from service.ledger.scripts import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.domain.reopens import Reopen
    from service.ledger.admissions import Admissions
    from service.ledger.audit import By
    from service.ledger.deeds import Deeds
    from service.ledger.links import Link
    from service.ledger.reads import Reads
    from service.ledger.scripts import Scripts
    from service.queue import Bells, Lane

RETRIED_FIELDS = (
    *("next_ms", "", "reason", "", "detail", "", "spent", "0", "sent", "0"),
    *("age_ms", "0", "ticking_since_ms", "0", "claims", "0"),
)
CANCELLED_FIELDS = ("next_ms", "")


class Verbs:
    """Each raises `NotFound` or `Conflict` with words for a person. `by` goes to the audit log."""

    def __init__(
        self,
        scripts: Scripts,
        bells: Bells,
        reads: Reads,
        admissions: Admissions,
        deeds: Deeds,
        *,
        bell_ms: int,
    ) -> None:
        self._scripts = scripts
        self._bells = bells
        self._reads = reads
        self._admissions = admissions
        self._deeds = deeds
        self._bell_ms = bell_ms

    async def retry(self, reopen_id: str, *, by: By | None = None) -> Reopen:
        """Once more, guarded: it looks in Acquire first like any attempt, so it cannot make a second case."""
        await self._verb("retry", reopen_id, RETRYABLE, Status.QUEUED, RETRIED_FIELDS, by)
        await self.ring(reopen_id)
        return await self._now(reopen_id)

    async def cancel(self, reopen_id: str, *, by: By | None = None) -> Reopen:
        await self._verb("cancel", reopen_id, CANCELLABLE, Status.CANCELLED, CANCELLED_FIELDS, by)
        return await self._now(reopen_id)

    async def resolve(
        self, reopen_id: str, contact_id: int, thread_id: int, *, by: By | None = None
    ) -> Reopen:
        """A held one goes on, and with it every reply of its ticket that waits for the same."""
        reopen = await self._now(reopen_id)
        told = line(by, "resolve", reopen_id)
        await self._link(reopen.source, reopen.ticket_id or "", contact_id, thread_id, reopen_id, told)
        return await self._now(reopen_id)

    async def link(self, source: str, ticket_id: str, link: Link, *, by: By | None = None) -> int:
        """Put a ticket's link; returns how many waiting replies it let go on."""
        told = line(by, "link", f"{source} {ticket_id}")
        return await self._link(source, ticket_id, link.contact_id, link.thread_id, "", told)

    async def unlink(self, source: str, ticket_id: str, *, by: By | None = None) -> None:
        """Drop a ticket's link. Raises `NotFound` where there is none."""
        args = (source, ticket_id, line(by, "unlink", f"{source} {ticket_id}"))
        outcome, *more = await self._scripts.run_durably("unlink", *args, "")
        if outcome == "missing":
            raise NotFound("this ticket is not linked")
        epoch, before = more
        self._deeds.keep("unlink", args, (before,), epoch)

    async def pause(self, *, by: By) -> None:
        """Workers take no more work; webhooks are taken all the while."""
        await self._pause(f"{by.who} ({by.via})", line(by, "pause", "all workers"))

    async def resume(self, *, by: By) -> None:
        """Workers take work again. What waited comes back at a pace, as after any pause."""
        await self._pause("", line(by, "resume", "all workers"))

    async def _pause(self, who: str, told: str) -> None:
        args = (who, str(FIRST_PACE), told)
        _, done_ms, epoch = await self._scripts.run_durably("pause", *args, "")
        self._deeds.keep("pause", args, (done_ms,), epoch)

    async def run_again(
        self, reopen_id: str, reason: str, *, key: str, text: str | None = None, by: By | None = None
    ) -> Reopen:
        """Do a finished or held one once more, as a new reopen linked to it; `key` makes it repeatable.

        `text` stands for the customer's words, where these were dropped and Acquire does not show them.
        """
        first = await self._now(reopen_id)
        if first.status not in RUN_AGAIN:
            raise Conflict(f"it is {first.status.value}: only a finished or held one can be run again")
        if first.contact_id is None or first.thread_id is None:
            raise Conflict("its contact and thread are not known: resolve it instead")
        admission = Admission(
            reopen_id=key,
            source=first.source,
            event_id=first.event_id,
            delivery_id=key,
            body_hash="",
            ticket_id=first.ticket_id,
            contact_id=first.contact_id,
            thread_id=first.thread_id,
            text=text or first.text,
            mark=(await self._reads.fields([reopen_id]))[0].get("mark"),
            again_of=first.id,
            again_reason=reason,
            audit=line(by, "run again", first.id),
        )
        await self._admissions.admit([admission])
        return await self._now(key)

    async def ring(self, name: str, lane: Lane = "live") -> bool:
        """Ring the bell of the thread that `name` belongs to, unless it rings or is held already."""
        bell = self._bells.bell(name, lane)
        rung = await self._scripts.run(
            "ring",
            name,
            bell.id,
            self._bell_ms,
            bell.job_key,
            bell.queue_key,
            bell.queues_key,
            *bell.fields,
        )
        return bool(rung)

    async def _verb(
        self,
        verb: str,
        reopen_id: str,
        allowed: Sequence[Status],
        to: Status,
        fields: Sequence[str],
        by: By | None,
    ) -> None:
        statuses, told = packed([status.value for status in allowed]), line(by, verb, reopen_id)
        args = (reopen_id, statuses, to.value, packed(fields), told)
        row = await self._scripts.run_durably("verb", *args, "")
        self._judge(verb, row, [status.value for status in allowed])
        self._deeds.keep("verb", args, (row[2],), row[3])

    async def _link(
        self, source: str, ticket: str, contact_id: int, thread_id: int, one: str, told: str
    ) -> int:
        ids = (source, ticket, str(contact_id), str(thread_id), one)
        args = (*ids, packed(RESOLVABLE), packed(WAITS_FOR_LINK), "", "", told)
        row = await self._scripts.run_durably("link", *args, "", "")
        self._judge("resolve", row, ["held"])
        _, done_ms, epoch, before, *released = row
        self._deeds.keep("link", args, (done_ms, before), epoch)
        for first in released[:1]:
            await self.ring(first)
        return len(released)

    def _judge(self, verb: str, row: list[str], allowed: list[str]) -> None:
        if row[0] == "missing":
            raise NotFound("there is no reopen of that id")
        if row[0] == "elsewhere":
            raise Conflict(
                f"what was sent for it may still show in thread {row[1]}: it can go on only there,"
                " or be cancelled and started anew"
            )
        if row[0] != "conflict":
            return
        status, reason = row[1], row[2]
        if status == "held" and verb == "retry":
            hint = "only run-again goes on" if reason == "acted_elsewhere" else "resolve it, or run it again"
            raise Conflict(f"it is held ({reason}): {hint}")
        if status == "held" and verb == "resolve":
            raise Conflict(f"it is held for another reason ({reason}): look at it, then run it again")
        raise Conflict(f"it is {status}; {verb} takes {', '.join(allowed)}")

    async def _now(self, reopen_id: str) -> Reopen:
        reopen = await self._reads.reopen(reopen_id)
        if reopen is None:
            raise NotFound("there is no reopen of that id")
        return reopen
