"""Forget a customer: by contact, by address, or by ticket, everywhere in Redis and for good.

Reopens with their words, indexes, links, failures and held ones go, and with them deliveries, kept requests
and what people wrote in the audit log. What remains are keyed hashes of ids, for as long as the helpdesk may
repeat the event, and the ids of calls whose outcome nobody knows yet. Not reached are backups, the
append-only file until Redis rewrites it, and the spool of a receiver while Redis is away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.kept import unpacked
from service.policy import terms

if TYPE_CHECKING:
    from service.ledger import Ledger
    from service.ledger.audit import By
    from service.ledger.forgetting import Kind
    from service.settings import Settings

SUBJECTS: dict[str, str] = {"contact": "a contact", "email": "an address", "ticket": "a ticket"}


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom to forget; `source` narrows it to one helpdesk."""

    kind: Kind
    value: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much there was."""

    reopens: int
    deliveries: int
    requests: int
    audit_lines: int
    links: int


async def forget(ledger: Ledger, settings: Settings, customer: Customer, *, by: By) -> Forgotten:
    """Erase the customer, and note in the audit log that it was done, without whom.

    Raises `Conflict` while an attempt of theirs is running. It may be repeated.
    """
    erased, kept = ledger.forgetting, terms(settings)
    await ledger.retention.make_salt()
    ids: set[str] = set()
    names = {customer.value}
    while records := await erased.reopens(customer.kind, customer.value, customer.source):
        await erased.check_idle(records)
        for record in records:
            ids.add(record.id)
            names |= {record.event_id, record.ticket_id or record.event_id}
            await erased.erase(record, kept.tombstone_ms(record.source))
    says = _says(names)
    deliveries = await erased.erase_deliveries(
        lambda each: each.reopen_id in ids or bool({each.event_id, each.ticket_id} & names)
    )
    links = await erased.erase_links(customer.kind, customer.value, customer.source)
    sources = sorted({*settings.sources, *await ledger.reads.sources()})
    requests = await ledger.requests.forget(sources, lambda content: _concerns(content, says))
    lines = await erased.erase_words(ids, says)
    await ledger.audit.note(by, "forget", SUBJECTS[customer.kind], count=len(ids))
    return Forgotten(len(ids), deliveries, requests, lines, links)


def _says(names: Collection[str]) -> Callable[[str], bool]:
    """Whether a text names one of these: whole, not as a part of another id or word."""
    alternatives = "|".join(re.escape(name) for name in sorted(names))
    pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{alternatives})(?![0-9A-Za-z])", re.IGNORECASE)
    return lambda text: bool(pattern.search(text))


def _concerns(content: bytes, says: Callable[[str], bool]) -> bool:
    request = unpacked(content)
    headers = " ".join(request.headers.values())
    return says(request.url) or says(headers) or says(request.body.decode("utf-8", "replace"))
