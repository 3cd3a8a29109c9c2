"""What is settled when a process starts: plain values, checked already."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final


@final
class Secret:
    """A string that shows itself only when asked by name; equality takes constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._value)

    def _bytes(self) -> bytes:
        # The environment may hold bytes that are not UTF-8; Python keeps them as surrogates.
        return self._value.encode("utf-8", "surrogateescape")


class SettingsError(Exception):
    """The settings cannot be used. `faults` names each key with what to mend, never a secret's value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class AcquireSettings:
    """The account to call. `origin` is scheme, host and perhaps port, without a path."""

    account_id: str | None = None
    api_key: Secret | None = None
    origin: str | None = None
    timeout_seconds: float = 10
    rate_per_second: float = 20
    """Over all workers, with bursts of as many; 0 is no limit."""
    retry_share: float = 0.25
    """Of the calls that the rate limit allows, or without one of those made: what retries may take."""
    user_type: str = ""
    case_url: str = ""
    """Where Acquire shows a case to people; `{origin}` and `{case_id}` are filled in."""
    body: Mapping[str, object] = field(default_factory=lambda: {"title": "{{ ticket_id }}"})
    """Further fields of the reopen call; strings in it are templates."""


@dataclass(frozen=True, slots=True)
class ReopenSettings:
    """How long and how hard a reopen is tried."""

    max_attempts: int = 12
    max_age_seconds: float = 86_400
    backoff_base_seconds: float = 2
    backoff_cap_seconds: float = 900
    on_open_case: Literal["append", "ignore"] = "append"
    on_unknown: Literal["check", "hold"] = "check"
    settle_seconds: float = 15
    bulk_at_once: int = 8


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long records are kept after their end, and for how long requests are kept as they came."""

    done_days: int = 30
    dead_days: int = 365
    keep_text: bool = False
    """Whether the customer's words stay in the record when they are in Acquire."""
    raw_hours: int = 0
    """0 keeps none: they hold customers' words, whatever became of the effect."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """What Redis has to confirm before a delivery is answered, or a call made (docs/durability.md)."""

    wait_replicas: int = 0
    """So many replicas have it in memory; with `wait_aof` on their disks."""
    wait_aof: bool = False
    """This Redis has it on its disk."""
    wait_timeout_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go: an address that apprise knows. `name` is the variable that holds it."""

    name: str
    url: Secret


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`unset` names variables that the table asks for and this process does not have."""

    channels: tuple[Channel, ...] = ()
    dashboard_url: str = ""
    """Where people reach this dashboard; links in messages begin with it."""
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One helpdesk webhook. `secrets` holds several while rotating, and none where the role needs none."""

    name: str
    kind: str
    secrets: tuple[Secret, ...] = ()
    tolerance_seconds: float = 300
    lookup: Literal["none", "email"] = "none"
    map: Mapping[str, str] = field(default_factory=dict)
    """Field of the event → JMESPath expression into the payload."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The keys that only this kind knows."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything one process is told at its start."""

    acquire: AcquireSettings
    reopen: ReopenSettings
    retention: RetentionSettings
    sources: Mapping[str, SourceSettings]
    redis_url: Secret | None
    host: str
    port: int
    admin_token: Secret | None
    data_dir: Path
    concurrency: int
    """Calls to Acquire in flight per worker service."""
    spool_mb: int = 0
    """What deliveries may take of this machine's disk while Redis is away; 0 is no spool."""
    viewer_token: Secret | None = None
    """Opens the dashboard and the reading half of the API, and changes nothing."""
    redis: RedisSettings = field(default_factory=RedisSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
