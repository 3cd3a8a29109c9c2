"""Which source a command is about: one of the settings, with keys changed, or one put together here."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from service import demo
from service.cli.opened import tool_settings
from service.cli.told import Ended
from service.data_folder import kept
from service.settings import Secret, Settings, SettingsError, SourceSettings, load_source
from service.settings.tables import nearest
from service.sources import KINDS


def source_named(settings: Settings, name: str) -> SourceSettings:
    """The source of that name, or the only one of that kind."""
    if name in settings.sources:
        return settings.sources[name]
    if name == demo.SOURCE and (secret := kept(settings.data_dir / "demo-secret")):
        return SourceSettings(name=name, kind="standard", secrets=(Secret(secret),))
    of_kind = [source for source in settings.sources.values() if source.kind == name]
    if len(of_kind) == 1:
        return of_kind[0]
    if of_kind:
        names = ", ".join(source.name for source in of_kind)
        raise Ended(f"several sources are of kind {name}: name one of {names}", status=2)
    if name in KINDS:
        raise Ended(
            f"no source is of kind {name}: docs/helpdesks/{name}.md has the table for your settings", status=2
        )
    hint = nearest(name, [*settings.sources, *KINDS])
    raise Ended(f"there is no source {name}" + hint, status=2)


def source_of_kind(
    kind: str, secret_env: str | None, changes: Sequence[str]
) -> tuple[SourceSettings, list[str]]:
    """A source without any configuration, and what keeps it from proving anything authentic."""
    if kind not in KINDS:
        hint = nearest(kind, KINDS)
        raise Ended(f"there is no kind {kind}" + hint, status=2)
    table: dict[str, Any] = {"kind": kind, **({"secret_env": secret_env} if secret_env else {})}
    unproven: list[str] = []
    source = _loaded(kind, table, changes, unproven)
    if secret_env and not source.secrets and not unproven:
        unproven.append(f"{secret_env}: is not set in the environment")
    return source, unproven


def source_changed(source: SourceSettings, config: Path | None, changes: Sequence[str]) -> SourceSettings:
    """The source as another file has it, and with some keys of its table changed; its secrets stay."""
    if config is None and not changes:
        return source
    path = config or Path(os.environ.get("REOPENER_CONFIG") or "reopener.toml")
    try:
        document = tomllib.loads(path.read_text("utf-8")) if config or path.is_file() else {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Ended(f"{path}: {error}", status=2) from None
    sources = document.get("sources")
    table = sources.get(source.name) if isinstance(sources, dict) else None
    if not isinstance(table, dict):
        if config is not None:
            raise Ended(f"{path}: there is no [sources.{source.name}] in it", status=2)
        table = {"kind": source.kind}
    changed = _loaded(source.name, table, changes, None)
    return replace(changed, secrets=source.secrets)


def settings_and_source(name: str) -> tuple[Settings, SourceSettings]:
    settings = tool_settings()
    return settings, source_named(settings, name)


def _loaded(
    name: str, table: dict[str, Any], changes: Sequence[str], unproven: list[str] | None
) -> SourceSettings:
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key:
            raise Ended(f"--set takes KEY=VALUE, not {change!r}", status=2)
        *parents, last = key.split(".")
        place = table
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise Ended(f"--set {change}: {parent} is not a table, so nothing can be set in it", status=2)
        place[last] = value if parents else _value(last, value)
    try:
        return load_source(name, table, os.environ, unproven=unproven)
    except SettingsError as error:
        raise Ended(*error.faults, status=2) from None


def _value(key: str, text: str) -> Any:
    """The text itself; a TOML value where the key takes a number, or where it is written as a list or string.

    Ids like 700123 stay text, as a person means them.
    """
    if key not in _NUMBERS and not text.startswith(("[", '"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


_NUMBERS = frozenset({"tolerance_seconds"})
