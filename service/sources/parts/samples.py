"""What a sample delivery is filled with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from service.sources.base import Options


@dataclass(frozen=True, slots=True)
class Example:
    """The values of one sample; a kind puts them where its helpdesk would."""

    event_id: str
    ticket_id: str
    contact_id: int | None
    thread_id: int | None
    message: str
    now: datetime
    options: Options

    @property
    def number(self) -> int:
        """The event id as a whole number, for helpdesks that count."""
        return int.from_bytes(
            hashlib.sha256(self.event_id.encode("utf-8", "surrogatepass")).digest()[:6], "big"
        )

    @property
    def whole_ticket_id(self) -> int | str:
        """The ticket id as a whole number where it is one, for helpdesks that count their tickets."""
        return (
            int(self.ticket_id) if self.ticket_id.isascii() and self.ticket_id.isdigit() else self.ticket_id
        )

    @property
    def html(self) -> str:
        """The message as HTML."""
        return escape(self.message, quote=False).replace("\n", "<br>")

    @property
    def iso(self) -> str:
        return self.now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def unix_s(self) -> int:
        return self.unix_ms // 1000

    @property
    def unix_ms(self) -> int:
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def planted(body: object, paths: Mapping[str, str], example: Example) -> object:
    """Answer the body with contact and thread id where plain paths of the source's map look for them."""
    for event in body if isinstance(body, list) else [body]:
        for name, value in (("contact_id", example.contact_id), ("thread_id", example.thread_id)):
            path = paths.get(name, "")
            if value is not None and isinstance(event, dict) and _PLAIN_PATH.fullmatch(path):
                _plant(event, path.split("."), value)
    return body


def _plant(event: dict[str, object], steps: list[str], value: int) -> None:
    *parents, last = steps
    for step in parents:
        child = event.setdefault(step, {})
        if not isinstance(child, dict):
            return
        event = child
    event[last] = value


_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
