"""The address that a helpdesk called, where it signs that too: behind a proxy it is another than we see."""

from __future__ import annotations

from urllib.parse import urlsplit

from service.sources.base import Options, Request
from service.sources.parts.options import text_fault, text_of

PUBLIC_URL = "public_url"


class SignsAddress:
    """A scheme that signs the address too, with a literal secret."""

    __slots__ = ()

    @property
    def options(self) -> frozenset[str]:
        return frozenset({PUBLIC_URL})

    def option_faults(self, options: Options, /) -> list[str]:
        fault = _fault(options)
        return [] if fault is None else [fault]

    def check_secret(self, secret: str, _options: Options, /) -> str | None:
        return None if secret else "must not be empty"


def called_url(request: Request, options: Options) -> str:
    """Answer the source's `public_url`, or the address as seen here."""
    return text_of(options, PUBLIC_URL, "") or request.url


def _fault(options: Options) -> str | None:
    fault = text_fault(options, PUBLIC_URL)
    if fault is not None or PUBLIC_URL not in options:
        return fault
    try:
        parts = urlsplit(text_of(options, PUBLIC_URL, ""))
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{PUBLIC_URL}: must be the whole address as it stands in the helpdesk, https:// and all"
    return None
