"""What a page's address asks for: filters as people share them, read leniently."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from service.asking import is_entry, is_number
from service.domain.reopens import Status
from service.ledger.listing import Wanted

NAMES = ("q", "status", "source", "reason", "since", "until", "group")
SPANS_MS = {"1h": 3_600_000, "1d": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000}


def filters(told: Mapping[str, str]) -> dict[str, str]:
    """Every filter as it was asked for, "" where it was not."""
    return {name: told.get(name, "").strip()[:200] for name in NAMES}


def wanted(asked: Mapping[str, str], now_ms: int) -> Wanted:
    """The filters for the ledger; what cannot be read is as if it had not been asked for."""
    return Wanted(
        status=Status(asked["status"]) if asked["status"] in {each.value for each in Status} else None,
        source=asked["source"] or None,
        prefix=asked["q"] or None,
        reason=asked["reason"] or None,
        since_ms=_moment(asked["since"], now_ms),
        until_ms=_moment(asked["until"], now_ms),
        group=asked["group"] or None,
    )


def query(asked: Mapping[str, str], **more: str | None) -> str:
    """`?...` of what is asked for, "" where that is nothing."""
    told = {name: value for name, value in {**asked, **more}.items() if value}
    return f"?{urlencode(told)}" if told else ""


def number_cursor(told: str) -> str | None:
    return told if is_number(told) else None


def stream_cursor(told: str) -> str | None:
    return told if is_entry(told) else None


def _moment(told: str, now_ms: int) -> int | None:
    """A time in UTC (`2026-11-25T10:00`), or how long ago (`1h`, `1d`, `7d`, `30d`)."""
    if told in SPANS_MS:
        return now_ms - SPANS_MS[told]
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
