"""Admission: what an accepted event leaves in the ledger before its answer goes out (rule 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from service.domain.errors import NotAdmitted
from service.ledger.scripts import packed

if TYPE_CHECKING:
    from service.domain.events import Half

Verdict = Literal["accepted", "duplicate", "held"]


@dataclass(frozen=True, slots=True)
class HalfReply:
    """One of the two events in which some helpdesks tell of one reply. `key` names the ticket; the other half
    is of about the same `moment_ms` there, and may come for as long as the helpdesk repeats.
    """

    half: Half
    key: str
    moment_ms: int
    repeated_for_seconds: int


@dataclass(slots=True)  # as Event: never changed, and made for each delivery
class Admission:
    """One event that is to be remembered.

    `reopen_id` derives from source and event id. `held_for` is the slug of why a person must help, or None.
    `message_key` names the customer's reply where the payload has its id: several events of one reply are
    one. `half` finds the other of two events that share no id. `weak_key` stands for an event without an id
    of its own, for `weak_seconds`. `email` asks a worker to look the customer up in Acquire; by `address`
    they are found when they are to be forgotten, and `mark` is what another reopen has for that. `again_of`
    and `again_reason` tell which reopen a person wanted done once more, and why.
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
    address: str | None = None
    mark: str | None = None
    held_for: str | None = None
    detail: str | None = None
    message_key: str | None = None
    weak_key: str | None = None
    weak_seconds: int = 0
    half: HalfReply | None = None
    again_of: str | None = None
    again_reason: str | None = None
    audit: str | None = None


@dataclass(slots=True)
class Admitted:
    """What became of an event. `conflict`: it is known, but came with another body this time."""

    verdict: Verdict
    reopen_id: str
    status: str
    reason: str
    conflict: bool


@dataclass(frozen=True, slots=True)
class Together:
    """What became of deliveries that were admitted together, in order. Where there is something to `confirm`,
    nobody is to be told before.
    """

    outcomes: list[list[Admitted] | NotAdmitted]
    confirm: Callable[[], Awaitable[None]] | None = None

    async def confirmed(self) -> list[list[Admitted] | NotAdmitted]:
        """The outcomes, as soon as they may be told. To be called once; raises `LedgerUnavailable`."""
        if self.confirm is not None:
            await self.confirm()
        return self.outcomes


def canonical_address(address: str) -> str:
    """One spelling for an address, however it is written."""
    return address.strip().casefold()


def hashed(*names: str) -> str:
    """One name for several, none of which can be read off it."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def packed_delivery(admissions: Sequence[Admission]) -> bytes:
    """All that one delivery leaves, as the script takes it; what is empty is left out."""
    return packed([_told(admission) for admission in admissions])


def _told(admission: Admission) -> dict[str, str]:
    told = {
        "id": admission.reopen_id,
        "source": admission.source,
        "event_id": admission.event_id,
        "ticket_id": admission.ticket_id,
        "contact_id": _id(admission.contact_id),
        "thread_id": _id(admission.thread_id),
        "reason": admission.held_for,
        "detail": admission.detail,
        "text": admission.text,
        "email": admission.email,
        "address": admission.address and canonical_address(admission.address),
        "mark": admission.mark,
        "message_key": admission.message_key,
        "body_hash": admission.body_hash,
        "delivery_id": admission.delivery_id,
        "again_of": admission.again_of,
        "again_reason": admission.again_reason,
        "audit": admission.audit,
    }
    if admission.weak_key:
        told |= {"weak_key": admission.weak_key, "weak_ms": str(admission.weak_seconds * 1000)}
    if admission.half is not None:
        half = admission.half
        told |= {"half": half.half, "half_key": half.key, "moment_ms": str(half.moment_ms)}
        told["half_ms"] = str(half.repeated_for_seconds * 1000)
    return {name: value for name, value in told.items() if value}


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)
