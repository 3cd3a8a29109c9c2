"""Why was this ticket's case reopened, or why not? Sentences for a person, from what the ledger knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service import words
from service.domain.decide import canonical_id
from service.domain.reopens import DONE, Status
from service.ledger.listing import Wanted

if TYPE_CHECKING:
    from service.domain.reopens import Reopen
    from service.ledger import Ledger
    from service.ledger.reads import Delivery, ThreadView

MOST_REOPENS = 20
MOST_DELIVERIES = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that happened, or did not, told in sentences; `link` is the page that shows it whole."""

    ms: int | None
    tone: str
    """`good`, `bad`, `wait` or `quiet`."""
    title: str
    sentences: tuple[str, ...]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """`verdict` sums it up; findings are newest first."""

    verdict: str
    findings: tuple[Finding, ...]


async def why(ledger: Ledger, term: str) -> Why:
    """What is known of a ticket, thread, case, contact, event or reopen id. Raises `LedgerUnavailable`."""
    number = canonical_id(term)
    exact, deliveries, thread = await asyncio.gather(
        ledger.listing.page(Wanted(prefix=f"{term}\0"), limit=MOST_REOPENS),
        ledger.heard.about(term, count=MOST_DELIVERIES),
        _thread(ledger, number),
    )
    records = list(exact.reopens)
    findings = [
        *(_of_reopen(record) for record in records),
        *(_of_delivery(each) for each in deliveries),
        *_of_thread(thread, term),
    ]
    findings.sort(key=lambda finding: finding.ms or 0, reverse=True)
    if not findings:
        return Why(f"Nothing is known of {term}.", tuple(await _of_nothing(ledger, term)))
    return Why(_verdict(records, deliveries, term), tuple(findings))


async def _thread(ledger: Ledger, number: int | None) -> ThreadView | None:
    return await ledger.reads.thread(number) if number is not None and number < 2**63 else None


def _verdict(records: list[Reopen], deliveries: list[Delivery], term: str) -> str:
    if not records:
        ignored = sum(each.verdict == "ignored" for each in deliveries)
        if ignored:
            came = f"{ignored} deliver{'y' if ignored == 1 else 'ies'}"
            return f"{term} came in {came}, and there was nothing to do."
        return f"No reply of {term} was accepted."
    done = sum(record.status in DONE for record in records)
    stuck = [record for record in records if record.status in {Status.HELD, Status.DEAD}]
    said = f"{len(records)} repl{'y' if len(records) == 1 else 'ies'} accepted, {done} in Acquire"
    if stuck:
        return f"{said}, {len(stuck)} need{'s' * (len(stuck) == 1)} a person."
    waiting = len(records) - done - sum(record.status is Status.CANCELLED for record in records)
    return f"{said}{f', {waiting} on the way' if waiting else ''}."


def _of_reopen(record: Reopen) -> Finding:
    status = record.status.value
    tone = {
        "reopened": "good",
        "appended": "good",
        "skipped": "quiet",
        "cancelled": "quiet",
        "dead": "bad",
        "held": "bad",
    }.get(status, "wait")
    is_over = record.status in DONE or record.status is Status.CANCELLED
    title = f"A reply {'was' if is_over else 'is'} {status}"
    return Finding(record.created_ms, tone, title, tuple(_told(record)), f"/reopens/{record.id}")


def _told(record: Reopen) -> Iterator[str]:
    ticket = f" of ticket {record.ticket_id}" if record.ticket_id else ""
    stored = "stored" if record.status is Status.HELD else "stored and queued"
    yield f"{record.source} delivered event {record.event_id}{ticket}; it was {stored}."
    if record.deliveries > 1:
        yield f"It came {record.deliveries} times, and counts once."
    if record.again_of:
        yield f"A person asked for it once more, after {record.again_of}: {record.again_reason}"
    tried = len(record.attempts)
    tries = f"after {tried} attempts" if tried > 1 else "at the first attempt"
    case, thread = record.new_case_id, record.thread_id
    match record.status:
        case Status.REOPENED:
            yield f"Thread {thread} had no open case, so case {case} was opened {tries}."
        case Status.APPENDED:
            yield f"Thread {thread} had the open case {case}, so the reply was appended to it {tries}."
        case Status.QUEUED:
            yield "It waits for a worker, or behind an earlier reply of its thread."
        case Status.RUNNING:
            yield "A worker is at it now."
        case Status.CANCELLED:
            yield "A person called it off."
    if record.reason:
        yield words.says(record.reason) or f"The reason is {record.reason}."
    if record.detail:
        yield f"In the words that were found: {record.detail}"


def _of_delivery(delivery: Delivery) -> Finding:
    was = "ignored" if delivery.verdict == "ignored" else "refused"
    said = delivery.detail or words.says(delivery.reason) or f"The reason is {delivery.reason}."
    return Finding(
        delivery.received_ms,
        "quiet" if was == "ignored" else "bad",
        f"A delivery of {delivery.source} was {was}",
        (said,),
        f"/deliveries/{delivery.id}",
    )


def _of_thread(view: ThreadView | None, term: str) -> Iterator[Finding]:
    if view is None:
        return
    cases, replies = len(view.thread.cases), len(view.reopens)
    seen = max((case.seen_ms for case in view.thread.cases.values()), default=None)
    said = (
        f"It has {cases} known case{'s' * (cases != 1)} and {replies} repl{'y' if replies == 1 else 'ies'}."
    )
    alias = "" if str(view.thread.id) == term else f"{term} is a later case of it."
    yield Finding(seen, "quiet", f"Thread {view.thread.id}", (said, alias), f"/threads/{view.thread.id}")


async def _of_nothing(ledger: Ledger, term: str) -> list[Finding]:
    """Where it may have gone: near misses, and refused deliveries, whose ids nobody can trust."""
    findings = []
    near = await ledger.listing.page(Wanted(prefix=term), limit=5)
    if near.reopens:
        said = tuple(f"{r.source}: event {r.event_id}, ticket {r.ticket_id}" for r in near.reopens)
        findings.append(Finding(None, "quiet", f"Ids that begin with {term}", said, f"/reopens?q={term}"))
    by_source: dict[str, list[Delivery]] = {}
    for each in await ledger.heard.refused():
        by_source.setdefault(each.source, []).append(each)
    for source, rows in by_source.items():
        latest = rows[0]
        were = "was" if len(rows) == 1 else "were"
        slug = (latest.reason or "unknown").replace("_", " ")
        said = (
            f"{len(rows)} of its latest deliveries {were} refused, the last one for {slug}.",
            latest.detail or words.says(latest.reason),
            "What they said cannot be trusted, so nobody knows whether this was among them.",
        )
        link = f"/deliveries?verdict=rejected&source={source}"
        findings.append(Finding(latest.received_ms, "bad", f"{source} had deliveries refused", said, link))
    heard = await ledger.series.heard_ms()
    silent = "Nothing was ever heard from any source: look at /setup." if not heard else ""
    said = (
        "Did the helpdesk send it? Its own log of webhooks tells.",
        "Of ignored deliveries only the latest are kept: 20,000, of all together.",
        *([silent] if silent else []),
    )
    findings.append(Finding(None, "quiet", "If it should be here", said, "/setup"))
    return findings
