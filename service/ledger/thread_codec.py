"""Between threads and what Redis holds of them: JSON under `doc*`, and beside it what was observed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

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
from service.json_text import compact_ascii
from service.ledger.codec import said
from service.ledger.packing import from_pieces, in_pieces, packed_text, unpacked


def thread_fields(thread: Thread) -> list[str]:
    """Fields and values in turn under which the ledger keeps a thread: opaque to the scripts. One in work is
    plain, since it is written often and read by people who look for what went wrong.
    """
    told = _thread_told(thread)
    if thread.intents:
        return ["doc", compact_ascii(told)]
    return in_pieces("doc", packed_text(_folded(thread.id, told)))


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


def thread_told(thread_id: int, fields: dict[str, str]) -> dict[str, Any]:
    """The JSON of a thread as it was written, packed or plain."""
    told: dict[str, Any] = unpacked(from_pieces("doc", fields) or "{}")
    return _unfolded(thread_id, told) if "at" in told else told


def thread_from(thread_id: int, fields: dict[str, str], now_ms: int) -> tuple[Thread, tuple[Effect, ...]]:
    """The thread, and the observations (rule 3) that were noted beside it and are part of it now."""
    told = thread_told(thread_id, fields)
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
    return compact_ascii([claim.reopen_id, claim.attempt, claim.case_id])


def _intent_told(intent: Intent) -> dict[str, Any]:
    return {**said(intent), "seen": sorted(intent.seen)}


def _intent(told: dict[str, Any]) -> Intent:
    return Intent(**{"view": None, "words": None, **told, "seen": frozenset(told["seen"])})


def _folded(thread_id: int, told: dict[str, Any]) -> dict[str, Any]:
    """A settled thread without what says itself: times count from `at`, the root's id is 0, and a case that
    is the one effect of its reopen carries the attempt that made it, in place of a claim.
    """
    cases, claims = told.get("cases", []), told.get("claims", [])
    at = max((row[3] for row in cases), default=0)
    makers = {row[0]: row[4] for row in cases}
    effects = Counter(row[1] for row in claims)
    lone = {
        case_id: attempt
        for effect, reopen_id, attempt, case_id in claims
        if effect == f"case:{case_id}" and effects[reopen_id] == 1 and makers.get(case_id) == reopen_id
    }
    folded = told | {
        "at": at,
        "cases": [
            [
                0 if case_id == thread_id else case_id,
                status,
                None if created_ms is None else created_ms - at,
                seen_ms - at,
                *([reopen_id, lone.get(case_id)] if reopen_id else []),
            ]
            for case_id, status, created_ms, seen_ms, reopen_id in cases
        ],
        "claims": [row for row in claims if row[0] != f"case:{row[3]}" or row[3] not in lone],
        "last_made": told.get("last_made", 0),
    }
    if folded["last_made"] == max(lone, default=0):
        del folded["last_made"]
    return folded if folded["claims"] else {k: v for k, v in folded.items() if k != "claims"}


def _unfolded(thread_id: int, folded: dict[str, Any]) -> dict[str, Any]:
    at, cases, claims = folded["at"], [], []
    for row in folded["cases"]:
        case_id, status, created_ms, seen_ms, reopen_id, attempt = [*row, None, None][:6]
        case_id = case_id or thread_id
        created_ms = None if created_ms is None else created_ms + at
        cases.append([case_id, status, created_ms, seen_ms + at, reopen_id])
        if attempt is not None:
            claims.append([f"case:{case_id}", reopen_id, attempt, case_id])
    last_made = folded.get("last_made", max((row[3] for row in claims), default=0))
    claims += folded.get("claims", [])
    return folded | {"cases": cases, "claims": claims, "last_made": last_made or None}
