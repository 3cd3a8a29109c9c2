"""Admission: what an accepted event leaves in the ledger before its answer goes out (rule 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from service.domain.reopens import RECORD_VERSION
from service.ledger.scripts import packed

if TYPE_CHECKING:
    from service.ledger.scripts import Scripts
    from service.queue import Bells

KEPT_DELIVERIES = 20_000

Verdict = Literal["accepted", "duplicate", "held"]


@dataclass(frozen=True, slots=True)
class Admission:
    """One event that is to be remembered.

    `reopen_id` derives from source and event id. `held_for` is the slug of why a person must help, or None.
    `message_key` names the customer's reply where the payload has its id: several events of one reply are
    one. `weak_key` stands for an event without an id of its own, for `weak_seconds`. `email` asks a worker
    to look the customer up in Acquire. `again_of` and `again_reason` tell which reopen a person wanted done
    once more, and why.
    """

    reopen_id: str
    source: str
    event_id: str
    delivery_id: str
    body_hash: str
    ticket_id: str | None = None
    contact_id: int | None = None
    thread_id: int | None = None
    text: str | None = None
    email: str | None = None
    held_for: str | None = None
    detail: str | None = None
    message_key: str | None = None
    weak_key: str | None = None
    weak_seconds: int = 0
    again_of: str | None = None
    again_reason: str | None = None
    audit: str | None = None

    @property
    def box(self) -> str:
        """The inbox it waits in: its thread's, or its ticket's while the thread is unknown."""
        if self.thread_id is not None and self.contact_id is not None:
            return str(self.thread_id)
        return f"k:{self.source}:{self.ticket_id or '#' + self.reopen_id}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of an event. `conflict`: it is known, but came with another body this time."""

    verdict: Verdict
    reopen_id: str
    status: str
    reason: str
    conflict: bool


class Admissions:
    """Admits events."""

    def __init__(self, scripts: Scripts, bells: Bells, *, bell_ms: int, quarantine_ms: int) -> None:
        self._scripts = scripts
        self._bells = bells
        self._bell_ms = bell_ms
        self._quarantine_ms = quarantine_ms

    async def admit(self, admissions: Sequence[Admission]) -> list[Admitted]:
        """All of them stored, or none. Raises `LedgerUnavailable` where that is not known."""
        rows = await self._scripts.run(
            "admit",
            self._quarantine_ms,
            self._bell_ms,
            KEPT_DELIVERIES,
            packed([self._told(admission) for admission in admissions]),
        )
        return [Admitted(row[0], row[1], row[2], row[3], row[4] == "1") for row in rows]

    def _told(self, admission: Admission) -> dict[str, object]:
        bell = self._bells.bell(admission.reopen_id)
        return {
            "id": admission.reopen_id,
            "source": admission.source,
            "event_id": admission.event_id,
            "ticket_id": admission.ticket_id or "",
            "contact_id": _id(admission.contact_id),
            "thread_id": _id(admission.thread_id),
            "box": admission.box,
            "status": "held" if admission.held_for else "queued",
            "reason": admission.held_for or "",
            "detail": admission.detail or "",
            "text": admission.text or "",
            "email": admission.email or "",
            "message_key": admission.message_key or "",
            "weak_key": admission.weak_key or "",
            "weak_ms": str(admission.weak_seconds * 1000),
            "body_hash": admission.body_hash,
            "delivery_id": admission.delivery_id,
            "again_of": admission.again_of or "",
            "again_reason": admission.again_reason or "",
            "audit": admission.audit or "",
            "version": str(RECORD_VERSION),
            "bell": bell.id,
            "job_key": bell.job_key,
            "queue_key": bell.queue_key,
            "queues_key": bell.queues_key,
            "job": bell.fields,
        }


def _id(number: int | None) -> str:
    return "" if number is None else str(number)
