"""What is wrong, told from what the probes saw: pure decisions, each with what to do about it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime

from service.check.finding import Finding
from service.check.of_redis import RedisState
from service.settings import Settings, SettingsError, SourceSettings
from service.sources import KINDS

SECRET_CHARACTERS = 16
DISTINCT_CHARACTERS = 6
STANDARD_SECRET_BYTES = 24
"""As Standard Webhooks 1.0 asks for: 24 to 64 bytes."""
SILENT_SWEEPER_SECONDS = 30
CLOCK_WARNING_SECONDS = 5
CLOCK_ERROR_SECONDS = 60


def settings_faults(error: SettingsError) -> list[Finding]:
    return [
        Finding("error", "settings", fault, "mend what is named, and check again") for fault in error.faults
    ]


def judge_settings(settings: Settings) -> Iterator[Finding]:
    """Find what is missing or weak."""
    token_mend = f"set it to a random string of at least {SECRET_CHARACTERS} characters"
    if settings.admin_token is None:
        yield Finding("error", "admin_token_missing", "REOPENER_ADMIN_TOKEN is not set", token_mend)
    elif _is_weak(settings.admin_token.reveal()):
        message = "REOPENER_ADMIN_TOKEN can be guessed, and it opens the dashboard and /api"
        yield Finding("error", "admin_token_weak", message, token_mend)
    if settings.viewer_token is not None and _is_weak(settings.viewer_token.reveal()):
        message = "REOPENER_VIEWER_TOKEN can be guessed, and it shows customers' words"
        yield Finding("error", "viewer_token_weak", message, token_mend)
    if not settings.sources:
        message = "no source is configured: every webhook is answered with 404"
        yield Finding("warning", "source_missing", message, "add a [sources.NAME] table to the TOML file")
    for source in settings.sources.values():
        yield from _judge_secrets(source)
    for name in settings.alerts.unset:
        message = f"{name}, which [alerts] names, is not set: nobody is told through it"
        yield Finding(
            "error", "alert_channel_unset", message, "set it to the address, where the receivers run"
        )


def _judge_secrets(source: SourceSettings) -> Iterator[Finding]:
    table = f"sources.{source.name}"
    kind = KINDS.get(source.kind)
    if not source.secrets and (kind is None or kind.needs_secret):
        yield Finding(
            "error",
            "secret_missing",
            f"{table}: the environment variable of its secret is not set: every delivery would be refused",
            "set the variable that secret_env names, here and where the receiver runs",
        )
    for secret in source.secrets:
        if _is_wrapped(secret.reveal()):
            yield Finding(
                "error",
                "secret_wrapped",
                f"{table}: a secret has white space or quotes around it, which the helpdesk does not know of",
                "look for a stray line end, and for quotes that a file of variables does not take away",
            )
        if _is_weak_for(source, secret.reveal()):
            yield Finding(
                "error",
                "secret_weak",
                f"{table}: a secret can be guessed, and deliveries be forged with it",
                "have the helpdesk make a new one, or choose a long random one",
            )


def _is_wrapped(secret: str) -> bool:
    """Say whether blanks, a line end or quotes came along when it was copied; a key in PEM has many lines."""
    bare = secret.strip()
    return ("\n" not in bare and bare != secret) or (
        len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
    )


def _is_weak_for(source: SourceSettings, secret: str) -> bool:
    if source.kind == "standard":
        return not secret.startswith("whpk_") and _decoded_bytes(secret) < STANDARD_SECRET_BYTES
    if source.options.get("auth") == "basic":
        return _is_weak(secret.partition(":")[2])
    return _is_weak(secret)


def _decoded_bytes(secret: str) -> int:
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_")))
    except binascii.Error:
        return 0


def _is_weak(secret: str) -> bool:
    """Say whether trying may find the secret: it is short, or a few characters over and over."""
    return len(secret) < SECRET_CHARACTERS or len(set(secret)) < DISTINCT_CHARACTERS


def judge_workers(state: RedisState, *, now_ms: int) -> Iterator[Finding]:
    """Find why nothing would be worked, or nothing be woken again."""
    if state.is_suspended:
        yield Finding(
            "error",
            "workers_suspended",
            "RQ's workers are suspended: nothing is worked",
            "run rq resume on this Redis",
        )
    if state.workers == 0:
        yield Finding(
            "error", "worker_missing", "no worker is running: nothing is reopened", "start reopener work"
        )
    youngest_ms = max(state.sweeper_beats_ms, default=None)
    if youngest_ms is None or now_ms - youngest_ms > SILENT_SWEEPER_SECONDS * 1000:
        yield Finding(
            "error",
            "scheduler_missing",
            "no scheduler is running: delayed retries and lost jobs are not woken"
            + (f" (last seen {(now_ms - youngest_ms) // 1000} s ago)" if youngest_ms is not None else ""),
            "start reopener work; each worker service brings its own",
        )


def acquire_missing() -> Finding:
    return Finding(
        "error",
        "acquire_missing",
        "the Acquire account or its key is not set",
        "set ACQUIRE_ACCOUNT_ID and ACQUIRE_API_KEY",
    )


def acquire_out_of_reach(words: str) -> Finding:
    return Finding(
        "error",
        "acquire_out_of_reach",
        f"Acquire does not answer: {words}",
        "check ACQUIRE_ACCOUNT_ID or ACQUIRE_BASE_URL, name lookup, proxies and firewalls",
    )


def judge_acquire(
    *, status: int, date: datetime | None, asked_at: datetime, answered_at: datetime
) -> Iterator[Finding]:
    """Judge Acquire's answer to a harmless read: its status, and its `Date` against our clock."""
    if status in {401, 403}:
        yield Finding(
            "error",
            "acquire_key_refused",
            f"Acquire refuses the API key ({status})",
            "set ACQUIRE_API_KEY to a key of this account that may read and write cases",
        )
    elif status >= 500 or status == 429:
        yield Finding(
            "warning",
            "acquire_unwell",
            f"Acquire answers {status} just now, so the key could not be checked",
            "check again later",
        )
    elif not 200 <= status <= 299:
        yield Finding(
            "error",
            "acquire_unexpected_answer",
            f"Acquire answers {status} where it should list cases",
            "check ACQUIRE_ACCOUNT_ID or ACQUIRE_BASE_URL: this may be another service",
        )
    if date is not None:
        yield from _judge_clock(date, asked_at, answered_at)


def judge_redis_clock(state: RedisState, *, now_ms: int) -> Iterator[Finding]:
    """Judge the clock by which calls are settled, told apart from older ones, and waited for (rules 4, 10, 13
    of docs/protocol.md) against ours.
    """
    told_us = state.info.get("server_time_usec")
    if told_us is None:
        return
    ahead_seconds = told_us / 1_000_000 - now_ms / 1000
    if abs(ahead_seconds) > CLOCK_WARNING_SECONDS:
        way = "ahead of" if ahead_seconds > 0 else "behind"
        yield Finding(
            "error" if abs(ahead_seconds) > CLOCK_ERROR_SECONDS else "warning",
            "redis_clock_off",
            f"Redis' clock is {abs(ahead_seconds):.0f} s {way} this machine's: what a lost call did may not"
            " be recognised by its date",
            "synchronise the clocks (NTP)",
        )


def _judge_clock(date: datetime, asked_at: datetime, answered_at: datetime) -> Iterator[Finding]:
    # The answer was made at some time in between; a Date has whole seconds, cut off.
    behind_seconds = (date - answered_at).total_seconds()
    ahead_seconds = (asked_at - date).total_seconds() - 1
    off_seconds = max(behind_seconds, ahead_seconds)
    if off_seconds > CLOCK_WARNING_SECONDS:
        way = "behind" if behind_seconds > 0 else "ahead of"
        yield Finding(
            "error" if off_seconds > CLOCK_ERROR_SECONDS else "warning",
            "clock_off",
            f"this machine's clock is {off_seconds:.0f} s {way} Acquire's: signed webhooks may be refused",
            "synchronise the clock (NTP)",
        )
