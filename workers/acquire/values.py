"""Single values in Acquire's answers: ids, times, words. Each reads what is there, or answers None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

MOST_WORDS_CHARACTERS = 300
LARGEST_ID = 2**64 - 1

_JAVASCRIPT_DATE = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d{2} \d{4} \d{2}:\d{2}:\d{2}) GMT([+-]\d{4})\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def as_id(value: object) -> int | None:
    """A positive id of up to 64 bits: an integer or a string of digits (docs/acquire.md, "Reading back")."""
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= len(str(LARGEST_ID))
    ):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID:
        return value
    return None


def as_text(value: object) -> str | None:
    """The text, or None where there is none or only white space."""
    return value if isinstance(value, str) and value.strip() else None


def as_ms(value: object) -> int | None:
    """Unix milliseconds of an ISO date (UTC if it names no offset) or of JavaScript's `Date.toString()`."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(_iso(value.strip()))
        aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> str:
    """`Wed Mar 03 2021 10:19:49 GMT+0000 (Coordinated Universal Time)` as ISO; strptime knows months only in
    the language of the process.
    """
    written = _JAVASCRIPT_DATE.match(text)
    if written is None:
        return text
    month, day, year, time = written[1].split(" ")
    number = _MONTHS.index(month) + 1 if month in _MONTHS else 0
    return f"{year}-{number:02}-{day}T{time}{written[2]}"


def words_of(body: object) -> str | None:
    """What an error body says in `message`, `error` and `code`, on one line; its shape is not documented."""
    words = " ".join(dict.fromkeys(_said(body)))
    return bounded(words) or None


def _said(body: object, depth: int = 3) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(body, str):
        yield body
    elif isinstance(body, int) and not isinstance(body, bool):
        yield str(body)
    elif isinstance(body, list):
        for part in body[:5]:
            yield from _said(part, depth - 1)
    elif isinstance(body, dict):
        for key in ("code", "error", "message"):
            yield from _said(body.get(key), depth - 1)


def bounded(words: str) -> str:
    """At most 300 characters on one line, none of which can act on a terminal."""
    printable = "".join(
        character if character.isprintable() else " " for character in words[: 4 * MOST_WORDS_CHARACTERS]
    )
    return " ".join(printable.split())[:MOST_WORDS_CHARACTERS]
