"""From records to the contract's JSON: what the API answers and the command line prints. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.domain.reopens import Attempt, Call, Page, Reopen
    from service.domain.threads import Thread
    from service.intake.spool import SpoolState
    from service.ledger.bodies import Exchange
    from service.ledger.bulks import Bulk
    from service.ledger.counts import Stats
    from service.ledger.crew import Crew
    from service.ledger.links import Link
    from service.ledger.reads import Delivery, DeliveryPage, ThreadView


def reopen(record: Reopen) -> dict[str, Any]:
    """One reopen with its attempts."""
    return {
        "id": record.id,
        "source": record.source,
        "event_id": record.event_id,
        "ticket_id": record.ticket_id,
        "contact_id": record.contact_id,
        "thread_id": record.thread_id,
        "status": record.status.value,
        "reason": reason(record),
        "detail": record.detail,
        "new_case_id": record.new_case_id,
        "deliveries": record.deliveries,
        "created_at": time(record.created_ms),
        "updated_at": time(record.updated_ms),
        "next_attempt_at": time(record.next_ms),
        "attempts": [_attempt(attempt) for attempt in record.attempts],
        "again_of": record.again_of,
        "again_reason": record.again_reason,
    }


def reason(record: Reopen) -> str | None:
    """The slug of why it has its status; for what Acquire refused, Acquire's words behind it."""
    if record.reason == "refused" and record.detail:
        return f"refused: {record.detail}"
    return record.reason


def page(records: Page) -> dict[str, Any]:
    return {"reopens": [reopen(record) for record in records.reopens], "next_cursor": records.next_cursor}


def thread(view: ThreadView) -> dict[str, Any]:
    """A thread: its cases and reopens, oldest first, and the case that is current."""
    known = view.thread
    owners = {effect.id: claim.reopen_id for effect, claim in known.claims.items() if effect.kind == "case"}
    cases = sorted(known.cases.values(), key=lambda case: _age(known, case.id))
    contact_ids = [record.contact_id for record in view.reopens if record.contact_id is not None]
    return {
        "thread_id": known.id,
        "contact_id": known.contact_id or (contact_ids[-1] if contact_ids else None),
        "current_case_id": _current(known),
        "cases": [
            {
                "id": case.id,
                "status": case.status,
                "created_at": time(case.created_ms),
                "seen_at": time(case.seen_ms),
                "reopen_id": case.reopen_id or owners.get(case.id),
            }
            for case in cases
        ],
        "reopens": [reopen(record) for record in view.reopens],
        "unsettled": len(known.unsettled),
        "duplicates": [
            {
                "kind": found.effect.kind,
                "id": found.effect.id,
                "reopen_id": found.reopen_id,
                "cause": found.cause,
                "found_at": time(found.found_ms),
            }
            for found in known.duplicates
        ],
    }


def _current(known: Thread) -> int | None:
    """The case that the next reply goes to: the one we made last where it is open, else the newest."""
    still_open = [case.id for case in known.cases.values() if case.status != "closed"]
    if known.last_made in still_open:
        return known.last_made
    return max(still_open or known.cases, key=lambda case_id: _age(known, case_id), default=None)


def _age(known: Thread, case_id: int) -> tuple[bool, int]:
    """What cases are ordered by, the oldest first: nothing of a thread is older than its root."""
    return case_id != known.id, case_id


def deliveries(records: DeliveryPage) -> dict[str, Any]:
    return {
        "deliveries": [_delivery(record) for record in records.deliveries],
        "next_cursor": records.next_cursor,
    }


def stats(numbers: Stats, crew: Crew) -> dict[str, Any]:
    """The ledger in numbers, and who works."""
    account = numbers.account
    return {
        "accepted": numbers.accepted,
        "removed": numbers.removed,
        "by_status": numbers.by_status,
        "by_source": numbers.by_source,
        "waiting": numbers.waiting,
        "oldest_waiting_seconds": round(numbers.oldest_waiting_seconds, 3),
        "queue_depth": numbers.queue_depth,
        "workers": crew.workers,
        "in_flight": numbers.in_flight,
        "concurrency": crew.concurrency,
        "breaker": account.breaker,
        "paused": account.paused,
        "stopped": {"reason": account.why, "until": time(account.until_ms), "detail": account.detail}
        if account.why
        else None,
        "duplicates": numbers.duplicates,
        "balanced": numbers.balanced,
    }


def spool(state: SpoolState | None, now_ms: int) -> dict[str, Any] | None:
    """What waits on the disk of the receiver that is asked; None where it has no spool."""
    if state is None:
        return None
    return {
        "deliveries": state.deliveries,
        "oldest_seconds": max(0, now_ms - state.oldest_ms) / 1000 if state.oldest_ms else 0,
        "refused": state.refused,
        "bytes": state.bytes,
        "limit_bytes": state.limit_bytes,
    }


def bulk(record: Bulk) -> dict[str, Any]:
    return {
        "id": record.id,
        "verb": record.verb,
        "subject": record.subject,
        "who": record.who,
        "why": record.why,
        "state": record.state,
        "created_at": time(record.created_ms),
        "ended_at": time(record.ended_ms),
        "count": record.taken,
        "refused": record.refused,
        "left": record.left,
        "in_work": record.in_work,
        "taken_back": record.taken_back,
        "cut_short": record.is_cut_short,
        "ended": record.ended,
    }


def link(source: str, ticket_id: str, known: Link) -> dict[str, Any]:
    return {
        "source": source,
        "ticket_id": ticket_id,
        "contact_id": known.contact_id,
        "thread_id": known.thread_id,
    }


def time(unix_ms: int | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if unix_ms is None:
        return None
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": time(attempt.started_ms),
        "ended_at": time(attempt.ended_ms),
        "outcome": attempt.outcome.value if attempt.outcome else None,
        "http_status": attempt.http_status,
        "error": attempt.error,
        "calls": _calls(attempt.calls),
    }


def _calls(calls: Iterable[Call]) -> list[dict[str, Any]]:
    return [
        {
            "name": call.name,
            "started_at": time(call.started_ms),
            "duration_ms": call.duration_ms,
            "http_status": call.http_status,
            "error": call.error,
            "timings_ms": dict(call.timings_ms),
        }
        for call in calls
    ]


def exchanges(kept: Iterable[Exchange]) -> list[dict[str, Any]]:
    """What was said to Acquire and what it said, redacted."""
    return [
        {
            "name": each.name,
            "started_at": time(each.started_ms),
            "duration_ms": each.duration_ms,
            "http_status": each.http_status,
            "error": each.error,
            "timings_ms": dict(each.timings_ms),
            "request": each.request,
            "answer": each.answer,
        }
        for each in kept
    ]


def _delivery(record: Delivery) -> dict[str, Any]:
    return {
        "id": record.id,
        "source": record.source,
        "event_id": record.event_id,
        "received_at": time(record.received_ms),
        "verdict": record.verdict,
        "reason": record.reason,
        "detail": record.detail,
        "reopen_id": record.reopen_id,
    }
