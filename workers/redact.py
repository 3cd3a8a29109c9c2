"""What was said to Acquire and what it said, without what is the customer's: structure, ids, lengths.

Nothing is kept because it looks harmless: a string only under a name that is known to hold no person's words,
and only where it is one word; a number where its name is an id's, a status', a count's or a time's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from workers.acquire.wire import Broken

if TYPE_CHECKING:
    from workers.acquire.compose import Request
    from workers.acquire.wire import Result

LONGEST_CHARACTERS = 1_000
"""Of each of the two."""
LARGEST_READ_BYTES = 64 * 1024
MOST_ITEMS = 3
DEEPEST = 12

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_WORD = re.compile(r"[A-Za-z0-9_:.+-]{1,40}")
_OPEN_STRINGS = re.compile(
    r"(?i)(.*status|state|type|channel|code|created_?at|updated_?at|timestamp|sort|order|relations|user-?type)"
)
_OPEN_NUMBERS = re.compile(
    r"(.*Ids?|ids?|.*_ids?|(?i:.*status|code|count|total|page|limit|offset|created_?at|updated_?at|timestamp))"
)


def request_told(request: Request) -> str:
    """Method, path and query, and the body."""
    query = "&".join(f"{name}={_value(value, name)}" for name, value in request.query)
    head = f"{request.method} {request.path}" + (f"?{query}" if query else "")
    return _cut(head if request.body is None else f"{head}\n{_json(request.body)}")


def answer_told(result: Result) -> str:
    """The answer's body, or how it was lost."""
    if isinstance(result, Broken):
        return _cut(f"<no whole answer: {'sent' if result.sent else 'nothing was sent'}>")
    if len(result.body) > LARGEST_READ_BYTES:
        return f"<{len(result.body):,} bytes>"
    try:
        told = json.loads(result.body)
    except (ValueError, RecursionError):
        return f"<{len(result.body):,} bytes that are not JSON>"
    return _cut(_json(told))


def _json(value: object) -> str:
    return json.dumps(_redacted(value, "", 0), ensure_ascii=False, separators=(", ", ": "))


def _redacted(value: Any, name: str, depth: int) -> Any:
    if depth > DEEPEST:
        return "<deeper>"
    match value:
        case dict():
            return {
                _named(key): _redacted(inner, str(key), depth + 1) for key, inner in list(value.items())[:60]
            }
        case list():
            shown = [_redacted(inner, name, depth + 1) for inner in value[:MOST_ITEMS]]
            return [*shown, f"<{len(value) - MOST_ITEMS} more>"] if len(value) > MOST_ITEMS else shown
        case None | bool():
            return value
        case int() | float():
            return value if _OPEN_NUMBERS.fullmatch(name) else "<a number>"
        case _:
            return _value(str(value), name)


def _value(text: str, name: str) -> str:
    is_id = bool(_OPEN_NUMBERS.fullmatch(name)) and text.isascii() and text.isdigit() and len(text) < 20
    is_word = bool(_OPEN_STRINGS.fullmatch(name)) and bool(_WORD.fullmatch(text))
    return text if is_id or is_word else f"<{len(text):,} characters>"


def _named(key: object) -> str:
    return str(key) if _NAME.fullmatch(str(key)) else f"<a name of {len(str(key)):,} characters>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CHARACTERS else text[: LONGEST_CHARACTERS - 1] + "…"
