"""`[alerts]`: who is told when something is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.settings.model import AlertSettings, Channel, Secret

if TYPE_CHECKING:
    from service.settings.environment import Environment
    from service.settings.tables import Table

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


def read_alerts(env: Environment, table: Table, *, needed: bool) -> AlertSettings:
    """`needed`: this process sends, so that a missing address is a fault."""
    channels, unset = [], []
    for place, name in enumerate(_names(table)):
        url = env.text(name)
        if url is None:
            unset.append(name)
            if needed:
                table.fault(f"url_envs[{place}]", f"{name} is not set in the environment")
        elif not _ADDRESS.fullmatch(url):
            env.fault(name, "must be an address like slack://..., mailtos://... or https://... (of [alerts])")
        else:
            channels.append(Channel(name, Secret(url)))
    settings = AlertSettings(tuple(channels), _dashboard_url(table), tuple(unset))
    table.refuse_unknown()
    return settings


def _names(table: Table) -> list[str]:
    names = table.raw("url_envs")
    if names is None:
        return []
    if not isinstance(names, list):
        table.fault("url_envs", "must be a list of names of environment variables that hold an address each")
        return []
    found: list[str] = []
    for place, name in enumerate(names):
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            fault = "put the name of an environment variable here, not the address itself: it holds a secret"
            table.fault(f"url_envs[{place}]", fault)
        elif name in found:
            table.fault(f"url_envs[{place}]", "names the same variable again")
        else:
            found.append(name)
    return found


def _dashboard_url(table: Table) -> str:
    url = table.text("dashboard_url", "").rstrip("/")
    try:
        parts = urlsplit(url)
        is_one = not url or (parts.scheme in {"http", "https"} and bool(parts.hostname))
    except ValueError:
        is_one = False
    if not is_one:
        table.fault("dashboard_url", "must be this dashboard's address, like https://reopener.example.com")
        return ""
    return url
