"""How long Acquire asks to wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER_SECONDS = 3_600.0


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from 0 to an hour, of `retry-after-ms` or of `Retry-After` in seconds or as an HTTP date; None
    where there is neither, or none that can be read.

    A date is taken against the answer's own `Date`, so that clocks that disagree do no harm, else `now`.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    written = headers.get("retry-after", "")
    seconds = _number(written)
    if seconds is not None:
        return _bounded(seconds)
    until = _date(written)
    if until is None:
        return None
    return _bounded((until - (_date(headers.get("date", "")) or now)).total_seconds())


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _date(written: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
