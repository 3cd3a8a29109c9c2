"""Environment first, then the TOML file, then defaults: the composition of all settings."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from service.connections import fault_of
from service.embedded import find_socket
from service.settings.acquire import is_token, read_acquire
from service.settings.alerts import read_alerts
from service.settings.environment import Environment
from service.settings.model import (
    RedisSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    SettingsError,
    SourceSettings,
)
from service.settings.sources import Kind, read_map, read_source, read_sources
from service.settings.tables import Table
from service.sources import KINDS

Role = Literal["run", "serve", "work", "sandbox", "tool"]


def load(environ: Mapping[str, str], *, role: Role, cwd: Path, kinds: Mapping[str, Kind] = KINDS) -> Settings:
    """Answer the settings of a process that does `role` in the folder `cwd`.

    The role decides what may be missing: `run` brings its own Redis, sandbox and token; `serve` needs Redis,
    the admin token and every source's secret; `work` needs Redis and the Acquire account; `sandbox` and
    `tool` need nothing. `kinds` are the kinds of source there are.

    Raises:
        SettingsError: all faults together, each naming its variable or key, without values of secrets.
    """
    faults: list[str] = []
    env = Environment(environ, faults)
    root = Table("", _read_file(env, cwd, faults), faults)
    data_dir = cwd / (env.text("REOPENER_DATA_DIR") or ".reopener")
    settings = Settings(
        acquire=read_acquire(env, root.table("acquire")),
        reopen=_read_reopen(root.table("reopen")),
        retention=_read_retention(root.table("retention")),
        sources=read_sources(
            env,
            root.table("sources"),
            kinds,
            secrets_needed=role in {"run", "serve"},
        ),
        redis=_read_redis(env, root.table("redis")),
        alerts=read_alerts(env, root.table("alerts"), needed=role in {"run", "serve"}),
        redis_url=_redis_url(env) or (_embedded_redis_url(data_dir) if role == "tool" else None),
        host=_host(env),
        port=env.integer("REOPENER_PORT", 8080, at_least=0, at_most=65_535),
        admin_token=_token(env, "REOPENER_ADMIN_TOKEN"),
        viewer_token=_viewer_token(env),
        data_dir=data_dir,
        concurrency=env.integer("REOPENER_CONCURRENCY", 32, at_least=1, at_most=1024),
        spool_mb=env.integer("REOPENER_SPOOL_MB", 0, at_least=0, at_most=1_000_000),
    )
    root.refuse_unknown()
    _note_missing(env, role)
    if faults:
        raise SettingsError(faults)
    return settings


def load_source(
    name: str, values: Mapping[str, object], environ: Mapping[str, str], *, unproven: list[str] | None = None
) -> SourceSettings:
    """Answer one source's settings from its table, as if it stood in the file; its secret may be missing.

    Where `unproven` is given, faults that only keep deliveries from being proven authentic are noted there.

    Raises:
        SettingsError: all other faults together.
    """
    faults: list[str] = []
    table = Table(f"sources.{name}", values, faults)
    source = read_source(
        Environment(environ, faults), name, table, KINDS, secrets_needed=False, unproven=unproven
    )
    if faults:
        raise SettingsError(faults)
    return source


def changed_map(source: SourceSettings, expressions: Mapping[str, object]) -> SourceSettings:
    """Answer the source with another `[sources.NAME.map]`. Raises SettingsError as `load_source` does."""
    faults: list[str] = []
    changed = replace(source, map=read_map(Table("map", expressions, faults)))
    if faults:
        raise SettingsError(faults)
    return changed


def _read_file(env: Environment, cwd: Path, faults: list[str]) -> dict[str, object]:
    named = env.text("REOPENER_CONFIG")
    path = cwd / (named or "reopener.toml")
    # The fault is the variable's where a person named the file, else the file's own.
    name = f"REOPENER_CONFIG ({path})" if named else str(path)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if named is not None:
            faults.append(f"{name}: cannot be read: {error.strerror}")
    except OSError as error:
        faults.append(f"{name}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        faults.append(f"{name}: is not UTF-8 at byte {error.start}")
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{name}: is not TOML: {error}")
    return {}


def _read_reopen(table: Table) -> ReopenSettings:
    defaults = ReopenSettings()
    reopen = ReopenSettings(
        max_attempts=table.integer("max_attempts", defaults.max_attempts, at_least=1, at_most=1000),
        max_age_seconds=table.number("max_age_seconds", defaults.max_age_seconds, above=0, at_most=_YEAR),
        backoff_base_seconds=table.number(
            "backoff_base_seconds", defaults.backoff_base_seconds, above=0, at_most=_DAY
        ),
        backoff_cap_seconds=table.number(
            "backoff_cap_seconds", defaults.backoff_cap_seconds, above=0, at_most=_DAY
        ),
        on_open_case=table.choice("on_open_case", defaults.on_open_case, ("append", "ignore")),
        on_unknown=table.choice("on_unknown", defaults.on_unknown, ("check", "hold")),
        settle_seconds=table.number("settle_seconds", defaults.settle_seconds, at_least=0, at_most=_DAY),
        bulk_at_once=table.integer("bulk_at_once", defaults.bulk_at_once, at_least=1, at_most=1000),
    )
    if reopen.backoff_cap_seconds < reopen.backoff_base_seconds:
        table.fault("backoff_cap_seconds", "must not be below backoff_base_seconds")
    table.refuse_unknown()
    return reopen


def _read_retention(table: Table) -> RetentionSettings:
    defaults = RetentionSettings()
    retention = RetentionSettings(
        done_days=table.integer("done_days", defaults.done_days, at_least=1, at_most=36_500),
        dead_days=table.integer("dead_days", defaults.dead_days, at_least=1, at_most=36_500),
        keep_text=table.boolean("keep_text", default=defaults.keep_text),
        raw_hours=table.integer("raw_hours", defaults.raw_hours, at_least=0, at_most=720),
    )
    table.refuse_unknown()
    return retention


def _read_redis(env: Environment, table: Table) -> RedisSettings:
    """Each key may be a variable too: two deployments of one file may have Redis of different kinds."""
    defaults = RedisSettings()
    replicas = table.integer("wait_replicas", defaults.wait_replicas, at_least=0, at_most=_MOST_REPLICAS)
    aof = table.boolean("wait_aof", default=defaults.wait_aof)
    timeout_ms = table.integer(
        "wait_timeout_ms", defaults.wait_timeout_ms, at_least=1, at_most=_LONGEST_WAIT_MS
    )
    table.refuse_unknown()
    return RedisSettings(
        wait_replicas=env.integer("REOPENER_WAIT_REPLICAS", replicas, at_least=0, at_most=_MOST_REPLICAS),
        wait_aof=env.switch("REOPENER_WAIT_AOF", aof),
        wait_timeout_ms=env.integer(
            "REOPENER_WAIT_TIMEOUT_MS", timeout_ms, at_least=1, at_most=_LONGEST_WAIT_MS
        ),
    )


def _redis_url(env: Environment) -> Secret | None:
    url = env.text("REDIS_URL")
    if url is None:
        return None
    fault = _redis_url_fault(url)
    if fault is not None:
        env.fault("REDIS_URL", fault)
        return None
    return Secret(url)


def _redis_url_fault(url: str) -> str | None:
    """Say what is wrong, without repeating any of it: a password may be anywhere in a broken URL."""
    scheme = url.partition("://")[0]
    if scheme not in {"redis", "rediss", "unix", "redis+sentinel"}:
        return "must start with redis://, rediss://, unix:// or redis+sentinel://"
    try:
        parts = urlsplit(url)
        if scheme == "unix":
            has_path = bool(parts.path.strip("/")) and not parts.hostname
            return fault_of(url) if has_path else "must name the socket's path: unix:///run/redis.sock"
        if scheme == "redis+sentinel":
            has_sentinel = bool(parts.netloc.rpartition("@")[2])
            return fault_of(url) if has_sentinel else "must name at least one sentinel"
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "has a host or port that cannot be read; special characters in a password are written %XX"
    if not has_host:
        return "must name a host: redis://host:6379/0"
    if not re.fullmatch(r"/?[0-9]{0,4}", parts.path):
        return "must end with the number of a database, or nothing: redis://host:6379/0"
    return fault_of(url)


def _embedded_redis_url(data_dir: Path) -> Secret | None:
    socket = find_socket(data_dir)
    return Secret(f"unix://{quote(str(socket))}") if socket is not None else None


def _host(env: Environment) -> str:
    default = "127.0.0.1"
    host = env.text("REOPENER_HOST") or default
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", host) or re.fullmatch("[0-9.]+", host):
            env.fault("REOPENER_HOST", "must be an address or host name to listen on, without port")
            return default
    return host


def _token(env: Environment, name: str) -> Secret | None:
    token = env.text(name)
    if token is None:
        return None
    if not is_token(token):
        env.fault(name, "must be printable ASCII without spaces; look for a stray line end")
        return None
    return Secret(token)


def _viewer_token(env: Environment) -> Secret | None:
    token = _token(env, "REOPENER_VIEWER_TOKEN")
    if token is not None and token.reveal() == env.text("REOPENER_ADMIN_TOKEN"):
        env.fault("REOPENER_VIEWER_TOKEN", "is the admin token too: viewers could change things; set another")
        return None
    return token


def _note_missing(env: Environment, role: Role) -> None:
    """Note what `role` cannot do without; what is there but at fault has been noted already."""
    if role in {"serve", "work"} and not env.text("REDIS_URL"):
        env.fault("REDIS_URL", "missing; set it to the Redis to use, like redis://localhost:6379/0")
    if role == "serve" and not env.text("REOPENER_ADMIN_TOKEN"):
        env.fault("REOPENER_ADMIN_TOKEN", "missing; set a long random string")
    if role == "run" and env.is_empty("REOPENER_ADMIN_TOKEN"):
        env.fault("REOPENER_ADMIN_TOKEN", "is empty; set a long random string, or unset it to have one made")
    has_account = bool(env.text("ACQUIRE_ACCOUNT_ID") or env.text("ACQUIRE_BASE_URL"))
    has_key = bool(env.text("ACQUIRE_API_KEY"))
    # `run` may have neither (it starts the sandbox), but half an account is a mistake.
    if role == "work" or (role == "run" and has_account != has_key):
        if not has_account:
            env.fault("ACQUIRE_ACCOUNT_ID", "missing; set the account's subdomain")
        if not has_key:
            env.fault("ACQUIRE_API_KEY", "missing; set the account's API key")


_MOST_REPLICAS = 16
_LONGEST_WAIT_MS = 1_400
"""Within the two seconds in which a delivery is answered, and a lease's margin over the call."""
_DAY = 86_400
_YEAR = 365 * _DAY
