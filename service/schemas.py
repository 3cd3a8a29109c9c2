"""The shapes of what the API is asked and answers, as JSON Schema."""

from __future__ import annotations

from typing import Any

from service.domain.reopens import AttemptOutcome, Status
from service.domain.threads import EFFECT_KINDS
from service.ledger.reads import VERDICTS

Schema = dict[str, Any]


def _nullable(kind: str, **more: Any) -> Schema:
    return {"type": [kind, "null"], **more}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), closed: bool = True) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": not closed,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE_TEXT, MAYBE_ID = _nullable("string"), _nullable("integer", minimum=1)
MAYBE_TIME = _nullable("string", format="date-time")
ID: Schema = {"type": ["integer", "string"], "description": "a positive whole number, or its digits"}
FLAG: Schema = {"type": "boolean"}
COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}

VERDICT: Schema = _object(
    {
        "status": {"enum": ["accepted", "duplicate", "ignored", "held"]},
        "reopen_id": TEXT,
        "reason": TEXT,
        "conflict": {"const": True},
    },
    optional=("reopen_id", "reason", "conflict"),
)

_CALL: dict[str, Schema] = {
    "name": TEXT,
    "started_at": TIME,
    "duration_ms": COUNT,
    "http_status": _nullable("integer"),
    "error": MAYBE_TEXT,
    "timings_ms": COUNTS,
}

SCHEMAS: dict[str, Schema] = {
    "Error": _object({"error": _object({"code": TEXT, "message": TEXT})}),
    "Call": _object(_CALL),
    "Attempt": _object(
        {
            "number": {"type": "integer", "minimum": 1},
            "started_at": TIME,
            "ended_at": MAYBE_TIME,
            "outcome": {"enum": [*(outcome.value for outcome in AttemptOutcome), None]},
            "http_status": _nullable("integer"),
            "error": MAYBE_TEXT,
            "calls": _list(ref("Call")),
        }
    ),
    "Reopen": _object(
        {
            "id": TEXT,
            "source": TEXT,
            "event_id": TEXT,
            "ticket_id": MAYBE_TEXT,
            "contact_id": MAYBE_ID,
            "thread_id": MAYBE_ID,
            "status": {"enum": [status.value for status in Status]},
            "reason": MAYBE_TEXT,
            "detail": MAYBE_TEXT,
            "new_case_id": MAYBE_ID,
            "deliveries": COUNT,
            "created_at": TIME,
            "updated_at": TIME,
            "next_attempt_at": MAYBE_TIME,
            "attempts": _list(ref("Attempt")),
            "again_of": MAYBE_TEXT,
            "again_reason": MAYBE_TEXT,
        }
    ),
    "Reopens": _object({"reopens": _list(ref("Reopen")), "next_cursor": MAYBE_TEXT}),
    "Thread": _object(
        {
            "thread_id": {"type": "integer"},
            "contact_id": MAYBE_ID,
            "current_case_id": MAYBE_ID,
            "cases": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "status": TEXT,
                        "created_at": MAYBE_TIME,
                        "seen_at": TIME,
                        "reopen_id": MAYBE_TEXT,
                    }
                )
            ),
            "reopens": _list(ref("Reopen")),
            "unsettled": COUNT,
            "duplicates": _list(
                _object(
                    {
                        "kind": {"enum": [*EFFECT_KINDS]},
                        "id": {"type": "integer"},
                        "reopen_id": TEXT,
                        "cause": TEXT,
                        "found_at": TIME,
                    }
                )
            ),
        }
    ),
    "Deliveries": _object(
        {
            "deliveries": _list(
                _object(
                    {
                        "id": TEXT,
                        "source": TEXT,
                        "event_id": MAYBE_TEXT,
                        "received_at": TIME,
                        "verdict": {"enum": [*VERDICTS]},
                        "reason": MAYBE_TEXT,
                        "detail": MAYBE_TEXT,
                        "reopen_id": MAYBE_TEXT,
                    }
                )
            ),
            "next_cursor": MAYBE_TEXT,
        }
    ),
    "Explained": _object(
        {
            "delivery_id": TEXT,
            "source": TEXT,
            "received_at": TIME,
            "verified": {"type": "boolean"},
            "reason": MAYBE_TEXT,
            "hint": MAYBE_TEXT,
            "malformed": MAYBE_TEXT,
            "mend": MAYBE_TEXT,
            "probe": MAYBE_TEXT,
            "events": _list({"type": "object"}),
        }
    ),
    "Map": _object({"map": {"type": "object", "additionalProperties": TEXT}}),
    "Compared": _object(
        {
            "compared": COUNT,
            "differ": COUNT,
            "decisions": COUNTS,
            "deliveries": _list(
                _object(
                    {
                        "delivery_id": TEXT,
                        "source": TEXT,
                        "received_at": TIME,
                        "differences": _list({"type": "object"}),
                    }
                )
            ),
        }
    ),
    "Stats": _object(
        {
            "accepted": COUNT,
            "removed": COUNT,
            "by_status": COUNTS,
            "by_source": {"type": "object", "additionalProperties": COUNTS},
            "waiting": COUNT,
            "oldest_waiting_seconds": {"type": "number", "minimum": 0},
            "queue_depth": COUNT,
            "workers": COUNT,
            "in_flight": COUNT,
            "concurrency": COUNT,
            "breaker": {"enum": ["closed", "open", "half_open"]},
            "paused": FLAG,
            "stopped": {
                "anyOf": [
                    _object({"reason": TEXT, "until": MAYBE_TIME, "detail": MAYBE_TEXT}),
                    {"type": "null"},
                ]
            },
            "duplicates": COUNT,
            "balanced": FLAG,
            "spool": {
                "anyOf": [
                    _object(
                        {
                            "deliveries": COUNT,
                            "oldest_seconds": {"type": "number", "minimum": 0},
                            "refused": COUNT,
                            "bytes": COUNT,
                            "limit_bytes": COUNT,
                        }
                    ),
                    {"type": "null"},
                ]
            },
        }
    ),
    "Link": _object(
        {
            "source": TEXT,
            "ticket_id": TEXT,
            "contact_id": {"type": "integer"},
            "thread_id": {"type": "integer"},
            "released": COUNT,
            "warning": TEXT,
        },
        optional=("released", "warning"),
    ),
    "Delivery": {"description": "whatever the helpdesk sends; an array where it sends batches"},
    "Taken": {"oneOf": [VERDICT, _object({"status": {"const": "batch"}, "results": _list(VERDICT)})]},
    "Metrics": TEXT,
    "Alerts": _object(
        {
            "channels": _list(TEXT),
            "firing": _list(
                _object(
                    {"subject": MAYBE_TEXT, "told_at": TIME}
                    | dict.fromkeys(("slug", "title", "mend", "link"), TEXT)
                )
            ),
            "sendings": _list(
                _object({"channel": TEXT, "title": TEXT, "state": TEXT, "at": TIME, "error": MAYBE_TEXT})
            ),
        }
    ),
    "AlertsTried": _object({"results": _list(_object({"channel": TEXT, "error": MAYBE_TEXT}))}),
    "Exchanges": _object({"exchanges": _list(_object(_CALL | {"request": TEXT, "answer": TEXT}))}),
    "Forget": _object(
        {"contact_id": ID, "email": TEXT, "ticket_id": TEXT, "source": TEXT},
        optional=("contact_id", "email", "ticket_id", "source"),
    ),
    "Forgotten": _object(
        {
            "reopens": COUNT,
            "deliveries": COUNT,
            "requests": COUNT,
            "audit_lines": COUNT,
            "links": COUNT,
            "file": {"enum": ["rewriting", "busy", "none", "refused"]},
        }
    ),
    "Count": _object({"count": COUNT}),
    "Bulk": _object(
        {
            "id": TEXT,
            "verb": {"enum": ["retry", "cancel"]},
            "subject": TEXT,
            "who": TEXT,
            "why": TEXT,
            "state": {"enum": ["running", "done", "cancelled"]},
            "created_at": TIME,
            "ended_at": MAYBE_TIME,
            "count": COUNT,
            "refused": COUNT,
            "left": COUNT,
            "in_work": COUNT,
            "taken_back": COUNT,
            "cut_short": FLAG,
            "ended": COUNTS,
        }
    ),
    "Bulks": _object({"bulks": _list(ref("Bulk"))}),
    "Paused": _object({"paused": FLAG}),
    "Status": _object({"status": TEXT}),
    "Place": _object({"contact_id": ID, "thread_id": ID}),
    "Start": _object(
        {"contact_id": ID, "thread_id": ID, "message": TEXT, "ticket_id": TEXT}, optional=("ticket_id",)
    ),
    "Reason": _object({"reason": TEXT, "message": TEXT}, optional=("message",)),
    "RetryAll": _object(
        {"status": {"enum": ["dead", "cancelled", "retrying"]}, "source": TEXT}, optional=("source",)
    ),
}
