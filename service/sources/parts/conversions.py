"""What is made of a payload's value: text, an id, a flag, a point in time.

Nothing here raises: a value of another kind than expected is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias, TypeVar

from service.domain.events import Author
from service.sources.parts.instants import parse_instant
from service.sources.parts.text import html_to_text, without_quotes

T = TypeVar("T")
Convert: TypeAlias = Callable[[object], T | None]


def words(value: object) -> str | None:
    """A string or number as text; None for blank strings and everything else."""
    if isinstance(value, str):
        return value.strip() or None
    if type(value) is int or type(value) is float:
        return str(value)
    return None


def lower(value: object) -> str | None:
    text = words(value)
    return text.lower() if text is not None else None


def identifier(value: object) -> str | None:
    """An id of Acquire's, not yet judged: whatever is there and not blank, so that nonsense is noticed."""
    if type(value) in _NO_IDS:
        return f"({type(value).__name__})"
    # As it stands: digits with blanks around them are no string of digits.
    return value if isinstance(value, str) and value.strip() else words(value)


_NO_IDS = frozenset({bool, list, dict})


def verbatim(value: object) -> str | None:
    """The customer's text as it stands, or the number a template made of it; None where there is none."""
    return value if isinstance(value, str) and value.strip() else words(value)


def plain(value: object) -> str | None:
    """Plain text, without the quoted message below it and without a marked signature."""
    return without_quotes(value) or None if isinstance(value, str) else None


def html(value: object) -> str | None:
    """HTML as plain text, without quoted messages and signatures that are marked as such."""
    return html_to_text(value) or None if isinstance(value, str) else None


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def inverse(value: object) -> bool | None:
    return not value if isinstance(value, bool) else None


def one_of(table: Mapping[str | bool, T], otherwise: T | None = None) -> Convert[T]:
    """A word or flag looked up in a table, without regard to case."""

    def convert(value: object) -> T | None:
        if isinstance(value, bool):
            return table.get(value, otherwise)
        text = lower(value)
        return table.get(text, otherwise) if text is not None else None

    return convert


def unix_s(value: object) -> datetime | None:
    """A unix time in seconds, or ISO 8601."""
    return parse_instant(value, "s")


def unix_ms(value: object) -> datetime | None:
    """A unix time in milliseconds, or ISO 8601."""
    return parse_instant(value, "ms")


AUTHOR_WORDS: Mapping[str | bool, Author] = {"customer": "customer", "agent": "agent"}


author_word: Convert[Author] = one_of(AUTHOR_WORDS, "system")
"""An author in our own words: what is neither customer nor agent is the system."""
