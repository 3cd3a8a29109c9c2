"""One reopen's whole story in the order it happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from service.spoken import lasting
from service.words import says

if TYPE_CHECKING:
    from service.domain.reopens import Attempt, Call, Reopen
    from service.domain.threads import Duplicate, Intent
    from service.ledger.audit import Entry
    from service.ledger.bodies import Exchange
    from service.ledger.reads import Arrivals

OUTCOMES = {
    "reopened": "Acquire opened a new case",
    "appended": "Acquire took the message into the open case",
    "adopted": "What came of an earlier call was found and adopted",
    "skipped": "There was nothing to do in Acquire",
    "refused": "Acquire refused",
    "not_sent": "Nothing left our hands",
    "unknown": "The call was sent and its answer was lost",
    "interrupted": "The worker went away before it was known how it ended",
}
ANSWERED = "The call was sent, and its answer does not tell what came of it"

LOOK_MS = 10_000
"""Calls of so long a time are told as one look."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened. `text` may hold words of others and is shown as text."""

    ms: int
    kind: str
    title: str
    text: str = ""
    calls: tuple[Call | Exchange, ...] = ()
    """With what was said in them where that is kept."""
    quoted: bool = False
    """Whether `text` is somebody else's words."""


def story(
    record: Reopen,
    *,
    arrivals: Arrivals,
    deeds: Sequence[Entry],
    unsettled: Sequence[Intent],
    duplicates: Sequence[Duplicate],
    exchanges: Sequence[Exchange] = (),
) -> list[Moment]:
    """Everything that is known, oldest first; what is to come stands last."""
    moments = [
        *_arrivals(record, arrivals),
        *(_attempt(attempt, exchanges) for attempt in record.attempts),
        *_looks(record, exchanges),
        *(_deed(entry) for entry in deeds),
        *(_duplicate(found) for found in duplicates if found.reopen_id == record.id),
    ]
    moments.sort(key=lambda moment: moment.ms)
    return [*moments, *_now(record, unsettled)]


def _arrivals(record: Reopen, arrivals: Arrivals) -> Iterator[Moment]:
    if record.again_of:
        title = f"Asked for once more, after {record.again_of}"
        yield Moment(record.created_ms, "deed", title, record.again_reason or "", quoted=True)
    if not record.again_of:
        once = record.deliveries == 1 and arrivals.latest_delivery
        yield Moment(
            record.created_ms,
            "in",
            f"Accepted from {record.source}",
            f"delivery {arrivals.latest_delivery}" if once else "",
        )
    if record.contact_id is None or record.thread_id is None:
        how = f"The address {record.email} is looked up in Acquire." if record.email else says(record.reason)
        yield Moment(record.created_ms, "decision", "Contact and thread are not known", how)
    for at_ms, with_another_body in arrivals.repeats:
        text = "With another body than the first: the first one counts." if with_another_body else ""
        yield Moment(at_ms, "in", "The same event came again; it counts once", text)


def _attempt(attempt: Attempt, exchanges: Sequence[Exchange]) -> Moment:
    said = {(each.name, each.started_ms): each for each in exchanges}
    outcome = attempt.outcome.value if attempt.outcome else None
    title = OUTCOMES.get(outcome or "", "A worker is at it")
    if outcome == "unknown" and attempt.http_status:
        title = ANSWERED
    status = f" with {attempt.http_status}" if attempt.http_status else ""
    took = f" after {lasting((attempt.ended_ms - attempt.started_ms) / 1000)}" if attempt.ended_ms else ""
    return Moment(
        attempt.started_ms,
        f"attempt {outcome or 'running'}",
        f"Attempt {attempt.number}: {title}{status}{took}",
        attempt.error or "",
        tuple(said.get((call.name, call.started_ms), call) for call in attempt.calls),
        quoted=True,
    )


def _looks(record: Reopen, exchanges: Sequence[Exchange]) -> Iterator[Moment]:
    """Calls that belong to no attempt: Acquire was asked, and nothing was sent or concluded."""
    of_attempts = {(call.name, call.started_ms) for attempt in record.attempts for call in attempt.calls}
    others = [each for each in exchanges if (each.name, each.started_ms) not in of_attempts]
    for _, together in groupby(others, key=lambda each: each.started_ms // LOOK_MS):
        calls = tuple(together)
        yield Moment(calls[0].started_ms, "look", "Acquire was asked, and nothing was sent", calls=calls)


def _deed(entry: Entry) -> Moment:
    return Moment(entry.ms, "deed", f"{entry.who} ({entry.via}): {entry.what}", entry.why, quoted=True)


def _duplicate(found: Duplicate) -> Moment:
    what = f"A duplicate was found: {found.effect.kind} {found.effect.id}"
    return Moment(found.found_ms, "attempt refused", what, found.cause.replace("_", " "))


def _now(record: Reopen, unsettled: Sequence[Intent]) -> Iterator[Moment]:
    for intent in unsettled:
        if intent.reopen_id == record.id:
            what = "a new case" if intent.kind == "create" else f"a message in case {intent.case_id}"
            yield Moment(
                intent.at_ms,
                "attempt unknown",
                f"Sent, not settled: {what}",
                "Nothing is sent again until it shows what came of it."
                f" Looks so far that showed nothing: {intent.empty_looks}.",
            )
    status = record.status.value
    detail = record.detail or ""
    yield Moment(record.updated_ms, f"now {status}", f"Now {status}: {says(status)}", detail, quoted=True)
