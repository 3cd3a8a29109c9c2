"""Between domain values and what Redis holds: hashes of strings for reopens, one string each for those in the
archive, and JSON for threads.
"""

from __future__ import annotations

import json
from typing import Any

from service.domain.reopens import Attempt, AttemptOutcome, Call, Reopen, Status
from service.domain.threads import (
    Claim,
    Duplicate,
    Effect,
    Intent,
    KnownCase,
    Thread,
    with_news,
    with_observation,
)
from service.ledger.packing import from_pieces, in_pieces, packed_json, unpacked_json

ADMISSION_ONLY = frozenset(
    {
        "id",
        "source",
        "event_id",
        "position",
        "created_ms",
        "ticket_id",
        "deliveries",
        "again_of",
        "again_reason",
        "version",
    }
)
"""Fields that admission writes and a worker never does, so that both may write at the same time."""


ARCHIVED = (
    "status",
    "source",
    "position",
    "created_ms",
    "updated_ms",
    "event_id",
    "ticket_id",
    "contact_id",
    "thread_id",
    "new_case_id",
    "reason",
    "deliveries",
    "body_hash",
    "last_delivery",
    "repeats",
    "message_key",
    "found",
    "rest",
)
"""What an archived reopen is, in this order; common.lua has the same list."""
_NOT_KEPT = frozenset({"id", "box", "next_ms", "claims", "ticking_since_ms", "waits", "epoch", *ARCHIVED})
"""What nobody asks a reopen that is done for, and what stands in the archive by name."""


def reopen_from(fields: dict[str, str]) -> Reopen:
    """The reopen that a record's fields tell. Raises `KeyError` where it is no record."""
    return Reopen(
        id=fields["id"],
        source=fields["source"],
        event_id=fields["event_id"],
        position=int(fields["position"]),
        status=Status(fields["status"]),
        created_ms=int(fields["created_ms"]),
        updated_ms=int(fields["updated_ms"]),
        ticket_id=fields.get("ticket_id") or None,
        contact_id=_number(fields.get("contact_id")),
        thread_id=_number(fields.get("thread_id")),
        text=fields.get("text") or None,
        reason=fields.get("reason") or None,
        detail=fields.get("detail") or None,
        new_case_id=_number(fields.get("new_case_id")),
        deliveries=int(fields.get("deliveries") or 1),
        next_ms=_number(fields.get("next_ms")),
        attempts=attempts_from(fields.get("attempts")),
        spent=int(fields.get("spent") or 0),
        sent=int(fields.get("sent") or 0),
        age_ms=int(fields.get("age_ms") or 0),
        ticking_since_ms=int(fields.get("ticking_since_ms") or 0),
        waits=int(fields.get("waits") or 0),
        claims=int(fields.get("claims") or 0),
        epoch=fields.get("epoch", ""),
        again_of=fields.get("again_of") or None,
        again_reason=fields.get("again_reason") or None,
        email=fields.get("email") or None,
        text_dropped=bool(fields.get("text_dropped")),
        version=int(fields.get("version") or 1),
    )


def worker_fields(reopen: Reopen) -> list[str]:
    """Fields and values in turn of what a worker writes. `status` goes apart: an index hangs on it."""
    flat: list[str] = []
    for name in Reopen.__dataclass_fields__:
        if name in ADMISSION_ONLY or name in {"status", "attempts"}:
            continue
        value = getattr(reopen, name)
        flat += [name, "" if value is None or value is False else str(value)]
    return [*flat, "attempts", attempts_text(reopen.attempts)]


def archive_rest(reopen: Reopen) -> str:
    """What the archive keeps of a reopen beside what scripts ask for."""
    told: dict[str, Any] = {}
    for name, field in Reopen.__dataclass_fields__.items():
        value = getattr(reopen, name)
        if name not in _NOT_KEPT and value != field.default:
            told[name] = _attempts_told(value) if name == "attempts" else str(value)
    return packed_json(told)


def archived_fields(reopen_id: str, kept: str) -> dict[str, str]:
    """The fields of an archived reopen, as a hash would hold them."""
    fields = dict(zip(ARCHIVED, kept.split("\0"), strict=True))
    rest = unpacked_json(fields.pop("rest"))
    if "attempts" in rest:
        rest["attempts"] = json.dumps(rest["attempts"])
    return {"id": reopen_id, **fields, **rest}


def attempts_text(attempts: tuple[Attempt, ...]) -> str:
    return json.dumps(_attempts_told(attempts), separators=(",", ":"))


def attempts_from(text: str | None) -> tuple[Attempt, ...]:
    if not text:
        return ()
    return tuple(_attempt(told) for told in json.loads(text))


def thread_fields(thread: Thread) -> list[str]:
    """Fields and values in turn under which the ledger keeps a thread: opaque to the scripts. One in work is
    plain, since it is written often and read by people who look for what went wrong.
    """
    told = _thread_told(thread)
    if thread.intents:
        return ["doc", json.dumps(told, separators=(",", ":"))]
    return in_pieces("doc", packed_json(told))


def _thread_told(thread: Thread) -> dict[str, Any]:
    told: dict[str, Any] = {
        "contacts": thread.contacts,
        "cases": [[c.id, c.status, c.created_ms, c.seen_ms, c.reopen_id] for c in thread.cases.values()],
        "claims": [[str(e), c.reopen_id, c.attempt, c.case_id] for e, c in thread.claims.items()],
        "intents": [_intent_told(intent) for intent in thread.intents],
        "duplicates": [[str(d.effect), d.reopen_id, d.cause, d.found_ms] for d in thread.duplicates],
        "last_made": thread.last_made,
        "session_id": thread.session_id,
    }
    return {key: value for key, value in told.items() if value}


def thread_from(thread_id: int, fields: dict[str, str], now_ms: int) -> tuple[Thread, tuple[Effect, ...]]:
    """The thread, and the observations (rule 3) that were noted beside it and are part of it now."""
    told = unpacked_json(from_pieces("doc", fields) or "{}")
    thread = Thread(
        id=thread_id,
        contacts=tuple(told.get("contacts", ())),
        cases={row[0]: KnownCase(*row) for row in told.get("cases", ())},
        claims={Effect.parse(row[0]): Claim(*row[1:]) for row in told.get("claims", ())},
        intents=tuple(_intent(row) for row in told.get("intents", ())),
        duplicates=tuple(Duplicate(Effect.parse(row[0]), *row[1:]) for row in told.get("duplicates", ())),
        last_made=told.get("last_made"),
        session_id=told.get("session_id"),
    )
    noted = []
    for name, value in fields.items():
        if name.startswith("o:"):
            effect = Effect.parse(name.removeprefix("o:"))
            noted.append(effect)
            thread = with_observation(thread, effect, Claim(*json.loads(value)), now_ms)
        elif name.startswith("s:"):
            status, _, ms = value.partition(":")
            thread = with_news(thread, int(name.removeprefix("s:")), status, int(ms))
    return thread, tuple(noted)


def claim_text(claim: Claim) -> str:
    return json.dumps([claim.reopen_id, claim.attempt, claim.case_id])


def _attempts_told(attempts: tuple[Attempt, ...]) -> list[dict[str, Any]]:
    return [{**_told(attempt), "calls": [_told(call) for call in attempt.calls]} for attempt in attempts]


def _intent_told(intent: Intent) -> dict[str, Any]:
    return {**_told(intent), "seen": sorted(intent.seen)}


def _intent(told: dict[str, Any]) -> Intent:
    return Intent(**{"view": None, "words": None, **told, "seen": frozenset(told["seen"])})


def _attempt(told: dict[str, Any]) -> Attempt:
    outcome = told.get("outcome")
    calls = tuple(
        Call(**{**call, "timings_ms": tuple((name, ms) for name, ms in call.get("timings_ms", ()))})
        for call in told.get("calls", ())
    )
    return Attempt(**{**told, "outcome": AttemptOutcome(outcome) if outcome else None, "calls": calls})


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _told(value: Attempt | Call | Intent) -> dict[str, Any]:
    """The fields that say something. (Most of what `dataclasses.asdict` costs is copying them.)"""
    fields = ((name, getattr(value, name)) for name in value.__dataclass_fields__)
    return {name: field for name, field in fields if field is not None}
