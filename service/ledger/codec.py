"""Between domain values and what Redis holds: hashes of strings for reopens, one string each for those in the
archive, and JSON for threads.
"""

from __future__ import annotations

import json
from typing import Any

from service.domain.reopens import DONE, Attempt, AttemptOutcome, Call, Reopen, Status
from service.domain.threads import Intent
from service.json_text import compact_ascii
from service.ledger.packing import packed_bytes, unpacked

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
_OF_WORKERS = tuple(
    name
    for name in Reopen.__dataclass_fields__
    if name not in ADMISSION_ONLY and name not in {"status", "attempts"}
)

HEAD_BYTES = 12
"""An archived reopen begins so: its status' first letter, position (5 bytes), and when it was admitted."""
ARCHIVED = (
    "source",
    "lasted_ms",
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
    "mark",
    "rest",
)
"""What follows, in this order, each ended by NUL; records.lua has the same list."""
_NOT_KEPT = frozenset(
    {
        "id",
        "status",
        "position",
        "created_ms",
        "updated_ms",
        "attempts",
        "box",
        "next_ms",
        "claims",
        "ticking_since_ms",
        "waits",
        "epoch",
        *ARCHIVED,
    }
)
"""What nobody asks a reopen that is done for, and what stands in the archive by itself."""
_KEPT = tuple(
    (name, field.default) for name, field in Reopen.__dataclass_fields__.items() if name not in _NOT_KEPT
)
_DONE = {status.value[:1].encode(): status.value for status in DONE}


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
    for name in _OF_WORKERS:
        value = getattr(reopen, name)
        flat += [name, "" if value is None or value is False else str(value)]
    return [*flat, "attempts", attempts_text(reopen.attempts)]


def archive_rest(reopen: Reopen) -> bytes:
    """What the archive keeps of a reopen beside what scripts ask for."""
    told: dict[str, Any] = {}
    for name, default in _KEPT:
        value = getattr(reopen, name)
        if value != default:
            told[name] = str(value)
    if reopen.attempts:
        told["attempts"] = _shifted(_attempts_told(reopen.attempts), -reopen.created_ms)
    return packed_bytes(told)


def archived_fields(reopen_id: str, kept: bytes) -> dict[str, str]:
    """The fields of an archived reopen, as a hash would hold them."""
    *values, packed = kept[HEAD_BYTES:].split(b"\0", len(ARCHIVED) - 1)
    fields = {
        name: value.decode("utf-8", "surrogateescape")
        for name, value in zip(ARCHIVED[:-1], values, strict=True)
    }
    position, created_ms = int.from_bytes(kept[1:6], "big"), int.from_bytes(kept[6:HEAD_BYTES], "big")
    fields |= {"status": _DONE[kept[:1]], "position": str(position), "created_ms": str(created_ms)}
    fields["updated_ms"] = str(created_ms + int(fields.pop("lasted_ms")))
    rest = unpacked(packed)
    if "attempts" in rest:
        rest["attempts"] = compact_ascii(_shifted(rest["attempts"], created_ms))
    return {"id": reopen_id, **fields, **rest}


def _shifted(attempts: list[dict[str, Any]], by_ms: int) -> list[dict[str, Any]]:
    """The attempts with their times moved: counted from the admission they are short, and pack well."""
    for part in [each for attempt in attempts for each in (attempt, *attempt["calls"])]:
        for name in ("started_ms", "ended_ms"):
            if part.get(name) is not None:
                part[name] += by_ms
    return attempts


def attempts_text(attempts: tuple[Attempt, ...]) -> str:
    return compact_ascii(_attempts_told(attempts))


def attempts_from(text: str | None) -> tuple[Attempt, ...]:
    if not text:
        return ()
    return tuple(_attempt(told) for told in json.loads(text))


def _attempts_told(attempts: tuple[Attempt, ...]) -> list[dict[str, Any]]:
    return [{**said(attempt), "calls": [said(call) for call in attempt.calls]} for attempt in attempts]


def _attempt(told: dict[str, Any]) -> Attempt:
    outcome = told.get("outcome")
    calls = tuple(
        Call(**{**call, "timings_ms": tuple((name, ms) for name, ms in call.get("timings_ms", ()))})
        for call in told.get("calls", ())
    )
    return Attempt(**{**told, "outcome": AttemptOutcome(outcome) if outcome else None, "calls": calls})


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def said(value: Attempt | Call | Intent) -> dict[str, Any]:
    """The fields that say something. (Most of what `dataclasses.asdict` costs is copying them.)"""
    return {name: field for name in value.__dataclass_fields__ if (field := getattr(value, name)) is not None}
