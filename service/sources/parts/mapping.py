"""`[sources.NAME.map]`: JMESPath into the payload, where the kind's own mapping does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from service.domain.events import Event
from service.sources.parts.conversions import Convert, author_word, identifier, unix_s, verbatim, words
from service.sources.parts.fields import Payload


def apply_map(event: Event, payload: Payload) -> Event:
    """Answer the event with the mapped fields replaced by what the source's map finds.

    Where the map names a field, it alone says what that field is: what it does not find is not there. An
    expression that fails on this payload is drift.
    """
    changes: dict[str, object] = {}
    drift = event.drift
    for key, expression in payload.source.map.items():
        name, convert = _FIELDS[key]
        try:
            found = _compiled(expression).search(payload.document)
        except (JMESPathError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            found, drift = None, drift or f"map.{key}"
        changes[name] = convert(found)
    if "event_id" in changes:
        changes["event_id"] = changes["event_id"] or ""
        changes["weak_id_window_seconds"] = None
    return replace(event, drift=drift, **changes)  # type: ignore[arg-type]  # names and types as in _FIELDS


@lru_cache(maxsize=256)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


_FIELDS: Mapping[str, tuple[str, Convert[object]]] = {
    "contact_id": ("contact_id", identifier),
    "thread_id": ("thread_id", identifier),
    "message": ("text", verbatim),
    "ticket_id": ("ticket_id", words),
    "ticket_status": ("ticket_status", words),
    "event_id": ("event_id", words),
    "message_id": ("message_id", words),
    "author": ("author", author_word),
    "customer_email": ("customer_email", words),
    "customer_external_id": ("customer_external_id", words),
    "occurred_at": ("occurred_at", unix_s),
}
