"""Points in time as helpdesks write them, and how far a signed one may be off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from service.sources.base import Rejected

Unit = Literal["s", "ms", "s_or_ms", "iso8601"]
"""`s_or_ms`: the sender's documentation does not say which. What is signed is the text, so either is safe."""
UNITS: tuple[Unit, ...] = ("s", "ms", "iso8601")


def check_age(written: str, unit: Unit, *, header: str, now: datetime, tolerance_seconds: float) -> None:
    """Refuse a signed timestamp further than the tolerance from `now`, which itself still passes.

    `written` is the header's value. Unix times are strictly digits: what is signed is the text, and a text
    that other programs read as another time must not pass here.

    Raises:
        Rejected: `timestamp_malformed`, `timestamp_too_old` or `timestamp_in_future`.
    """
    age_ms = _age_ms(written, unit, header, now)
    if age_ms > tolerance_seconds * 1000:
        raise Rejected("timestamp_too_old", _old(written, unit, header, age_ms))
    if age_ms < -tolerance_seconds * 1000:
        raise Rejected("timestamp_in_future", _ahead(written, unit, header, age_ms))


def _age_ms(written: str, unit: Unit, header: str, now: datetime) -> int:
    if unit == "iso8601":
        instant = parse_instant(written, "s") if not written.isdigit() else None
        if instant is None:
            raise Rejected("timestamp_malformed", f"{header} is not an ISO 8601 time")
        return _unix_ms(now) - _unix_ms(instant)
    if not (written.isascii() and written.isdigit() and len(written) <= _LONGEST_UNIX_DIGITS):
        raise Rejected("timestamp_malformed", f"{header} is not a unix time in plain digits")
    if unit == "ms" or (unit == "s_or_ms" and int(written) >= _LEAST_MS_OF_OUR_TIMES):
        return _unix_ms(now) - int(written)
    # A sender who writes whole seconds is compared in whole seconds: exactly 300 s old is still fine.
    return (_unix_ms(now) // 1000 - int(written)) * 1000


def _old(written: str, unit: Unit, header: str, age_ms: int) -> str:
    if unit == "ms" and int(written) < _LEAST_MS_OF_OUR_TIMES:
        return f"{header} looks like seconds where milliseconds are expected"
    return f"{header} is {age_ms // 1000} s old; a replay, a slow helpdesk, or a clock that is off"


def _ahead(written: str, unit: Unit, header: str, age_ms: int) -> str:
    if unit == "s" and int(written) >= _LEAST_MS_OF_OUR_TIMES:
        return f"{header} looks like milliseconds where seconds are expected"
    return f"{header} is {-age_ms // 1000} s in the future; this machine's clock or the sender's is off"


def parse_instant(value: object, unit: Literal["s", "ms"]) -> datetime | None:
    """Answer the aware UTC time of a payload's value, or None where it is none.

    Numbers, also as strings, are unix times in `unit`; other strings are ISO 8601, without an offset UTC.
    """
    if isinstance(value, str):
        text = value.strip()
        if not _is_number(text):
            return _parse_iso(text)
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = value if unit == "s" else value / 1000
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def _is_number(text: str) -> bool:
    whole, _, fraction = text.partition(".")
    return text.isascii() and whole.isdigit() and (fraction.isdigit() or not fraction) and len(text) <= 32


def _parse_iso(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))  # as Rails writes it
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _unix_ms(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def written_instant(now: datetime, unit: Unit) -> str:
    """Answer `now` as a helpdesk would write it in a header."""
    if unit == "iso8601":
        return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(_unix_ms(now) // 1000 if unit == "s" else _unix_ms(now))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_UNIX_DIGITS = 15
# As seconds this is the year 5138, as milliseconds March 1973.
_LEAST_MS_OF_OUR_TIMES = 100_000_000_000
