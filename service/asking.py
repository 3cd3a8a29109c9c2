"""What an API call may ask: queries and JSON bodies, checked, with errors that say what to mend."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from service.domain.decide import canonical_id
from service.ledger.audit import By

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY_BYTES = 1024 * 1024
LARGEST_ID = 2**63 - 1
PAGE, LARGEST_PAGE = 50, 200
LONGEST_ACTOR = 80
LONGEST_NAME = 320
"""Of an id or an address of the outside world."""


class Unclear(Exception):
    """The call is answered with an error: 400 unless told otherwise."""

    def __init__(self, message: str, *, code: str = "bad_request", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


async def body_of(request: Request, *, known: Collection[str]) -> dict[str, Any]:
    """The JSON object of a body, with no other fields than the known ones; an empty body is an empty one."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY_BYTES:
            raise Unclear(f"A body may hold {LARGEST_BODY_BYTES} bytes.", code="body_too_large", status=413)
        chunks.append(chunk)
    raw = b"".join(chunks)
    try:
        told = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise Unclear("The body must be JSON.", code="not_json") from None
    if not isinstance(told, dict):
        raise Unclear("The body must be a JSON object.", code="not_object")
    refuse_unknown(told, known, "field")
    return told


def refuse_unknown(told: Mapping[str, object], known: Collection[str], what: str) -> None:
    """Raise `Unclear` for a name that is not known, with the nearest one that is."""
    for name in told:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise Unclear(f"There is no {what} {name[:60]!r}{hint}", code=f"unknown_{what}")


def id_of(told: Mapping[str, Any], name: str) -> int:
    """The id of a contact or thread: a positive whole number, or a string of digits."""
    value = told.get(name)
    number = canonical_id(str(value)) if isinstance(value, str | int) else None
    if number is None or number > LARGEST_ID:
        raise Unclear(f"{name} must be a positive whole number.", code=f"bad_{name}")
    return number


def text_of(told: Mapping[str, Any], name: str, *, longest: int, needed: bool = True) -> str:
    """A string that is not blank; "" where it is missing and not needed."""
    value = told.get(name)
    value = "" if value is None else value
    if not isinstance(value, str) or (needed and not value.strip()):
        raise Unclear(f"{name} must be a string that is not blank.", code=f"bad_{name}")
    if len(value) > longest:
        raise Unclear(f"{name} may hold {longest} characters.", code=f"bad_{name}")
    return value


def limit_of(query: Mapping[str, str]) -> int:
    """How many a page may hold."""
    told = query.get("limit") or str(PAGE)
    if not (is_number(told) and 1 <= int(told) <= LARGEST_PAGE):
        raise Unclear(f"limit must be 1 to {LARGEST_PAGE}.", code="bad_limit")
    return int(told)


def choice_of(query: Mapping[str, Any], name: str, choices: Collection[str]) -> str | None:
    """One of the choices, None where it is missing or empty."""
    told = query.get(name) or None
    if told is not None and told not in choices:
        raise Unclear(f"{name} must be one of {', '.join(choices)}.", code=f"bad_{name}")
    return str(told) if told is not None else None


def number_cursor(told: str | None) -> str | None:
    """The cursor of a list of reopens; None where it is missing or empty."""
    if told and not is_number(told):
        raise _bad_cursor()
    return told or None


def stream_cursor(told: str | None) -> str | None:
    """The cursor of a list of deliveries; None where it is missing or empty."""
    if told and not is_entry(told):
        raise _bad_cursor()
    return told or None


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def is_entry(text: str) -> bool:
    """Whether it names a line of a Redis stream."""
    return text.count("-") == 1 and all(is_number(part) for part in text.split("-"))


def _bad_cursor() -> Unclear:
    return Unclear("cursor must be the next_cursor of a page.", code="bad_cursor")


def caller(request: Request, why: str = "") -> By:
    """Whom the audit log names: who the caller says it is, and where it called from."""
    told = request.headers.get("x-reopener-actor", "").strip()[:LONGEST_ACTOR]
    address = request.client.host if request.client else "somewhere"
    return By(f"{told} at {address}" if told else address, "api", why)
