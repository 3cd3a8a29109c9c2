"""What began and what is over, compared with what was known: nobody is told the same twice. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from service.alerts.conditions import Condition

CLEAR_MS = 60_000
"""So long it has to be gone before it is told to be over: what comes and goes is one alert."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition as it is known: in this state since `since_ms`, told to people at `fired_ms` (0: not)."""

    slug: str
    subject: str
    title: str
    mend: str
    link: str
    state: Literal["pending", "firing", "clearing"]
    since_ms: int
    fired_ms: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people. `id` is the same however often it has to be sent, and tells repeats apart."""

    id: str
    state: Literal["firing", "resolved", "test"]
    slug: str
    subject: str
    title: str
    mend: str
    link: str
    at_ms: int

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Notice:
        return cls(**json.loads(text))


Known = Mapping[str, Alert]


def known_from(text: str) -> Known:
    return {key: Alert(**told) for key, told in json.loads(text or "{}").items()}


def known_text(known: Known) -> str:
    return json.dumps({key: asdict(alert) for key, alert in known.items()})


def step(known: Known, found: Mapping[str, Condition], now_ms: int) -> tuple[Known, list[Notice]]:
    """What is known now, and whom to tell what. `known` is the very same where nothing changed."""
    after: dict[str, Alert] = {}
    notices: list[Notice] = []
    for key in sorted({*known, *found}):
        alert = _next(known.get(key), found.get(key), now_ms)
        before = known.get(key)
        if alert is not None:
            after[key] = alert
            if alert.fired_ms and not (before and before.fired_ms):
                notices.append(_notice(alert, "firing", now_ms))
        elif before is not None and before.fired_ms:
            notices.append(_notice(before, "resolved", now_ms))
    return (known if after == known else after), notices


def _next(alert: Alert | None, condition: Condition | None, now_ms: int) -> Alert | None:
    if condition is not None:
        if alert is None:
            told = asdict(condition)
            alert = Alert(**told, state="pending", since_ms=now_ms)
        if alert.state == "pending" and now_ms - alert.since_ms >= condition.after_ms:
            return replace(alert, **asdict(condition), state="firing", since_ms=now_ms, fired_ms=now_ms)
        return replace(alert, state="firing", since_ms=now_ms) if alert.state == "clearing" else alert
    if alert is None or alert.state == "pending":
        return None
    if alert.state == "firing":
        return replace(alert, state="clearing", since_ms=now_ms)
    return None if now_ms - alert.since_ms >= CLEAR_MS else alert


def _notice(alert: Alert, state: Literal["firing", "resolved"], now_ms: int) -> Notice:
    alert_id = (
        f"{alert.slug}-{alert.subject}-{alert.fired_ms}"
        if alert.subject
        else f"{alert.slug}-{alert.fired_ms}"
    )
    return Notice(
        id=f"{alert_id}-{state}",
        state=state,
        slug=alert.slug,
        subject=alert.subject,
        title=alert.title,
        mend=alert.mend,
        link=alert.link,
        at_ms=now_ms,
    )
