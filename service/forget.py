"""Forget a customer: by contact, by address, or by ticket, everywhere in Redis and for good.

Reopens with their words, indexes, links, failures and held ones go, and with them deliveries, kept requests
and what people wrote in the audit log. What remains are keyed hashes: of ids, for as long as the helpdesk may
repeat the event, and of whom, so that deliveries which wait in a receiver's spool are dropped when they come;
and the ids of calls whose outcome nobody knows yet. Not reached are backups, and Redis' append-only file
until it is written anew, which is asked for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.asking import LONGEST_NAME, Unclear, id_of, text_of
from service.kept import unpacked
from service.ledger.audit import line
from service.policy import terms

if TYPE_CHECKING:
    from service.domain.reopens import Reopen
    from service.ledger import Ledger
    from service.ledger.audit import By
    from service.ledger.forgetting import File, Kind
    from service.settings import Settings

WHOM: Mapping[str, Kind] = {"contact_id": "contact", "email": "email", "ticket_id": "ticket"}
"""What names a customer."""
SUBJECTS: dict[str, str] = {"contact": "a contact", "email": "an address", "ticket": "a ticket"}
FILES: dict[str, str] = {
    "rewriting": "Redis is writing its append-only file anew: until it has, what was erased is still in it.",
    "busy": "Redis was writing its append-only file anew already, and what was erased is still in that file:"
    " when it has finished, forget them again.",
    "none": "Redis keeps no append-only file; a snapshot holds them until the next one.",
    "refused": "What was erased is in Redis' append-only file until that is written anew, and Redis does not"
    " let us ask for it: have its operator run BGREWRITEAOF.",
}
BACKUPS = "Backups of Redis hold them until they are thrown away."
OUTLASTS_SECONDS = 2.0
"""An append-only file that is synced every second may lose so much."""
FILE_SECONDS, FILE_LOOKS = 0.1, 50
"""So often and so many times Redis is asked to write its file anew while it is at it already."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom to forget; `source` narrows it to one helpdesk."""

    kind: Kind
    value: str
    source: str | None = None


def customer_of(told: Mapping[str, Any]) -> Customer:
    """Whom somebody named, by one of `WHOM` and perhaps `source`. Raises `Unclear`."""
    named = [name for name in WHOM if told.get(name) is not None]
    if len(named) != 1:
        raise Unclear(f"Say whom to forget by one of {', '.join(WHOM)}.", code="bad_customer")
    (name,) = named
    value = str(id_of(told, name)) if name == "contact_id" else text_of(told, name, longest=LONGEST_NAME)
    source = text_of(told, "source", longest=LONGEST_NAME, needed=False) or None
    return Customer(WHOM[name], value, source)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much there was, and what becomes of Redis' file."""

    reopens: int
    deliveries: int
    requests: int
    audit_lines: int
    links: int
    file: File


def told(forgotten: Forgotten) -> str:
    """For people: how much there was, and where it may still be."""
    return (
        f"{forgotten.reopens} reopens, {forgotten.deliveries} deliveries, {forgotten.requests} requests,"
        f" {forgotten.links} links and {forgotten.audit_lines} lines of the audit log erased."
        f" {FILES[forgotten.file]} {BACKUPS}"
    )


@dataclass(slots=True)
class _Found:
    """What was found of the customer so far, and how much of it was erased."""

    ids: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    events: set[tuple[str, str]] = field(default_factory=set)
    tickets: set[tuple[str, str]] = field(default_factory=set)
    """Each with its source: another helpdesk's of the same name is another customer's."""
    deliveries: int = 0
    requests: int = 0
    audit_lines: int = 0
    links: int = 0

    def add(self, records: Iterable[Reopen], links: Iterable[tuple[str, str]]) -> None:
        self.tickets.update(links)
        for record in records:
            self.ids.add(record.id)
            self.names |= {record.event_id, record.ticket_id or record.event_id}
            self.events.add((record.source, record.event_id))
            if record.ticket_id:
                self.tickets.add((record.source, record.ticket_id))


async def forget(
    ledger: Ledger,
    settings: Settings,
    customer: Customer,
    *,
    by: By,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Forgotten:
    """Erase the customer, and note in the audit log that it was done, without whom.

    Raises `Conflict` while an attempt of theirs is running. It may be repeated. Where Redis may forget what
    it confirmed last, that is waited for, and all is erased again where another run of it has taken over.
    """
    await ledger.retention.make_salt()
    found = _Found(names={customer.value})
    while True:
        run_id = await ledger.account.run_id()
        await _erase(ledger, settings, customer, found)
        noted = line(by, "forget", SUBJECTS[customer.kind], count=len(found.ids))
        await ledger.forgetting.note(_whom(customer, found), noted)
        if await ledger.account.keeps_answers():
            break
        await sleep(OUTLASTS_SECONDS)
        if await ledger.account.run_id() == run_id:
            break
    return Forgotten(
        len(found.ids),
        found.deliveries,
        found.requests,
        found.audit_lines,
        found.links,
        await _erase_from_file(ledger, sleep),
    )


async def _erase_from_file(ledger: Ledger, sleep: Callable[[float], Awaitable[None]]) -> File:
    """Redis writes one file at a time, and one begun before holds what was erased since: its end is waited
    for, but not for long.
    """
    for _ in range(FILE_LOOKS):
        file = await ledger.forgetting.erase_from_file()
        if file != "busy":
            return file
        await sleep(FILE_SECONDS)
    return "busy"


async def _erase(ledger: Ledger, settings: Settings, customer: Customer, found: _Found) -> None:
    """Reopens and links go last, since they lead to all the rest: where this is cut off, by an attempt that
    begins just then or by Redis, it is found again.
    """
    erased, kept = ledger.forgetting, terms(settings)
    whom = (customer.kind, customer.value, customer.source)
    await erased.note([whom])
    while True:
        records = [record async for batch in erased.reopens(*whom) for record in batch]
        await erased.check_idle(records)
        links = await erased.links(*whom)
        found.add(records, links)
        await _erase_traces(ledger, settings, customer, found)
        if not records and not links:
            return
        for record in records:
            await erased.erase(record, kept.tombstone_ms(record.source))
        found.links += await erased.erase_links(links)


async def _erase_traces(ledger: Ledger, settings: Settings, customer: Customer, found: _Found) -> None:
    """What tells of them beside their reopens."""
    erased, says = ledger.forgetting, _says(found.names)
    sources = [customer.source] if customer.source else await _sources(ledger, settings)
    if customer.kind == "ticket":
        found.tickets |= {(source, customer.value) for source in sources}
    found.deliveries += await erased.erase_deliveries(
        lambda each: (
            each.reopen_id in found.ids
            or (each.source, each.event_id) in found.events
            or (each.source, each.ticket_id) in found.tickets
        )
    )
    found.requests += await ledger.requests.forget(sources, lambda content: _concerns(content, says))
    found.audit_lines += await erased.erase_words(found.ids, says)


async def _sources(ledger: Ledger, settings: Settings) -> list[str]:
    return sorted({*settings.sources, *await ledger.reads.sources()})


def _whom(customer: Customer, found: _Found) -> list[tuple[Kind, str, str | None]]:
    """Whom a delivery that comes late may tell of: the customer, and their tickets."""
    whom: list[tuple[Kind, str, str | None]] = [(customer.kind, customer.value, customer.source)]
    return whom + [("ticket", ticket_id, source) for source, ticket_id in sorted(found.tickets)]


def _says(names: Collection[str]) -> Callable[[str], bool]:
    """Whether a text names one of these: whole, not as a part of another id or word."""
    alternatives = "|".join(re.escape(name) for name in sorted(names))
    pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{alternatives})(?![0-9A-Za-z])", re.IGNORECASE)
    return lambda text: bool(pattern.search(text))


def _concerns(content: bytes, says: Callable[[str], bool]) -> bool:
    request = unpacked(content)
    headers = " ".join(request.headers.values())
    return says(request.url) or says(headers) or says(request.body.decode("utf-8", "replace"))
