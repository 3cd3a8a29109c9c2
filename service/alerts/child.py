"""`service.alerts.child SECONDS`: send the message on stdin through apprise, and end.

Reads `{"url", "notice", "dashboard_url"}`, writes `{"error"}`. The address stays off the command line, where
everybody on the machine could read it, and out of every word that is written.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

LONGEST_ERROR = 300
SHORTEST_SECRET = 4


def main() -> None:
    signal.alarm(int(sys.argv[1]))
    told = json.load(sys.stdin)
    error = _send(told["url"], told["notice"], told["dashboard_url"])
    sys.stdout.write(json.dumps({"error": error}))


def _send(url: str, notice: dict[str, Any], dashboard_url: str) -> str | None:
    import apprise  # noqa: PLC0415 - half a second, which help and the rest need not wait for

    capture: Any = apprise.LogCapture  # untyped in apprise
    with capture(level=logging.WARNING, fmt="%(message)s") as heard:
        target = _target(apprise, url, notice)
        if target is None:
            return "apprise knows no service of this address: see its list for how yours is written"
        title, body = _words(notice, dashboard_url)
        notify_type = {"firing": "failure", "resolved": "success"}.get(notice["state"], "info")
        if target.notify(title=title, body=body, notify_type=apprise.NotifyType(notify_type)):
            return None
        lines = [line.strip() for line in heard.getvalue().splitlines() if line.strip()]
    return _without_secrets(". ".join(lines[-2:]), url)[:LONGEST_ERROR] or "the service did not take it"


def _target(apprise: Any, url: str, notice: dict[str, Any]) -> Any:
    """A plain http address that is no service's own gets JSON, with the notice's fields in it."""
    asset = apprise.AppriseAsset(
        app_id="reopener",
        app_desc="reopener",
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    if url.startswith(("json://", "jsons://")):
        return apprise.Apprise.instantiate(_with_fields(url, notice), asset=asset)
    target = apprise.Apprise.instantiate(url, asset=asset)
    if target is None and url.startswith(("http://", "https://")):
        return apprise.Apprise.instantiate(_with_fields(url.replace("http", "json", 1), notice), asset=asset)
    return target


def _with_fields(url: str, notice: dict[str, Any]) -> str:
    fields = {f":{name}": notice[name] for name in ("id", "state", "slug", "subject", "link")}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"


def _words(notice: dict[str, Any], dashboard_url: str) -> tuple[str, str]:
    what = {"firing": "Reopener: ", "resolved": "Reopener, over: ", "test": "Reopener, a test: "}[
        notice["state"]
    ]
    at = datetime.fromtimestamp(notice["at_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        notice["mend"],
        f"{dashboard_url}{notice['link']}" if dashboard_url else "",
        f"{at}, {notice['id']}",
    ]
    return what + notice["title"], "\n".join(line for line in lines if line)


def _without_secrets(words: str, url: str) -> str:
    """The words without any part of the address that could open something."""
    parts = {unquote(part) for part in re.split(r"[/:@?&=,]+", url)} | set(re.split(r"[/:@?&=,]+", url))
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            words = words.replace(part, "***")
    return words


if __name__ == "__main__":
    main()
