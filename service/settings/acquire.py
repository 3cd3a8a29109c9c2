"""`ACQUIRE_*` and `[acquire]`: which account is called, and with what in the body."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from service.settings.environment import Environment
from service.settings.model import AcquireSettings, Secret
from service.settings.tables import Table, nearest, type_name

TEMPLATE_NAMES = (
    "ticket_id",
    "event_id",
    "source",
    "contact_id",
    "thread_id",
    "reopen_id",
    "token",
    "message",
)
"""What `{{ name }}` may name in [acquire.body]."""


def read_acquire(env: Environment, table: Table) -> AcquireSettings:
    defaults = AcquireSettings()
    account_id = _account_id(env)
    settings = AcquireSettings(
        account_id=account_id,
        api_key=_api_key(env),
        origin=_origin(env) or (f"https://{account_id}.acquire.io" if account_id else None),
        timeout_seconds=table.number("timeout_seconds", defaults.timeout_seconds, above=0, at_most=600),
        rate_per_second=table.number("rate_per_second", defaults.rate_per_second, at_least=0, at_most=10_000),
        retry_share=table.number("retry_share", defaults.retry_share, above=0, at_most=1),
        user_type=_user_type(table, defaults.user_type),
        case_url=_case_url(table),
        body={**defaults.body, **_body(table.table("body"))},
    )
    table.refuse_unknown()
    return settings


def _account_id(env: Environment) -> str | None:
    account_id = env.text("ACQUIRE_ACCOUNT_ID")
    if account_id is None or _ACCOUNT_ID.fullmatch(account_id):
        return account_id
    env.fault(
        "ACQUIRE_ACCOUNT_ID",
        "must be the account's subdomain only: letters, digits and hyphens, with dots between labels",
    )
    return None


def _api_key(env: Environment) -> Secret | None:
    api_key = env.text("ACQUIRE_API_KEY")
    if api_key is None:
        return None
    if not is_token(api_key):
        env.fault("ACQUIRE_API_KEY", "must be printable ASCII without spaces; look for a stray line end")
        return None
    return Secret(api_key)


def is_token(value: str) -> bool:
    """Say whether `value` can stand behind `Bearer` in a header."""
    return bool(value) and all("!" <= character <= "~" for character in value)


def _origin(env: Environment) -> str | None:
    url = env.text("ACQUIRE_BASE_URL")
    plain_http_allowed = env.switch("ACQUIRE_ALLOW_HTTP")
    if url is None:
        return None
    try:
        return origin_of(url, plain_http_allowed=plain_http_allowed)
    except ValueError as error:
        env.fault("ACQUIRE_BASE_URL", str(error))
        return None


def origin_of(url: str, *, plain_http_allowed: bool) -> str:
    """Answer scheme, host and perhaps port of `url`; ValueError with what to mend, without the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Its own words may repeat parts of the URL, which may hold a password.
        host, port, parts = "", None, urlsplit("")
    if not _HOST.fullmatch(host) and not _is_ip_address(host):
        raise ValueError("must be an origin like https://example.acquire.io")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password; the key goes into ACQUIRE_API_KEY")
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        raise ValueError("must be an origin only: no path (leave out /api/v1), no query, no fragment")
    if parts.scheme != "https" and not (
        parts.scheme == "http" and (plain_http_allowed or _is_loopback(host))
    ):
        raise ValueError(
            "must start with https://; plain http is for loopback addresses, or for ACQUIRE_ALLOW_HTTP=1"
        )
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + (f":{port}" if port is not None else "")


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


def _user_type(table: Table, default: str) -> str:
    user_type = table.text("user_type", default)
    if not re.fullmatch(r"[A-Za-z_-]*", user_type):
        table.fault("user_type", 'must be a plain word, like "contact"')
        return default
    return user_type


def _case_url(table: Table) -> str:
    case_url = table.text("case_url", "")
    if not re.fullmatch(r"((https?://|\{origin\})[^{}\s]*(\{case_id\}[^{}\s]*)?)?", case_url):
        table.fault("case_url", 'must be an address, like "{origin}/cases/{case_id}"')
        return ""
    return case_url


def _body(table: Table) -> dict[str, object]:
    body: dict[str, object] = {}
    for key in table:
        body[key] = table.raw(key)
        if key in {"threadId", "contactId"}:
            table.fault(key, "is set by the reopen itself; leave it out")
        for where, message in _template_faults(key, body[key]):
            table.fault(where, message)
    return body


def _template_faults(where: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        for message in _text_faults(value):
            yield where, message
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _template_faults(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _template_faults(f"{where}[{index}]", inner)
    elif not isinstance(value, int | float) or not math.isfinite(value):
        yield where, f"must be something JSON can hold, not {type_name(value)}"


def _text_faults(text: str) -> Iterator[str]:
    for name in TEMPLATE.findall(text):
        if name not in TEMPLATE_NAMES:
            known = ", ".join(TEMPLATE_NAMES)
            yield f"{{{{ {name} }}}} is not known{nearest(name, TEMPLATE_NAMES)} (known: {known})"
    if "{{" in TEMPLATE.sub("", text) or "}}" in TEMPLATE.sub("", text):
        yield "has a template that is not {{ name }}"


_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ACCOUNT_ID = re.compile(rf"(?!.*\.acquire\.io$){_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*\.?")
TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
