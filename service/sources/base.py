"""The words of this room: a request, the two ways it can fail, and the scheme that proves it authentic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

Options: TypeAlias = Mapping[str, object]
"""The keys of a source's table that only its kind knows."""


@dataclass(slots=True)  # never changed, and made for each delivery
class Request:
    """One delivery as it arrived. `url` is the full URL as seen, header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str]


RejectionSlug = Literal[
    "header_missing",
    "header_malformed",
    "query_missing",
    "key_unavailable",
    "secret_mismatch",
    "signature_mismatch",
    "timestamp_malformed",
    "timestamp_too_old",
    "timestamp_in_future",
    "token_for_another",
]


class Rejected(Exception):
    """Not authentic, or too old. `hint` names the likely mistake, without a secret or a valid signature."""

    def __init__(self, slug: RejectionSlug, hint: str) -> None:
        super().__init__(f"{slug}: {hint}")
        self.slug = slug
        self.hint = hint


class Undecided(Rejected):
    """It cannot be told yet: what would tell is not here. `under_way` is done when fetching it is; None where
    that came to nothing.
    """

    def __init__(self, slug: RejectionSlug, hint: str, under_way: Future[None] | None) -> None:
        super().__init__(slug, hint)
        self.under_way = under_way


MalformedSlug = Literal["not_utf8", "not_json", "duplicate_key", "too_deep", "not_object", "too_many_events"]


class Malformed(Exception):
    """Authentic, but no JSON that this kind sends. `message` says what to mend."""

    def __init__(self, slug: MalformedSlug, message: str) -> None:
        super().__init__(f"{slug}: {message}")
        self.slug = slug
        self.message = message


class CannotSign(Exception):
    """A sample cannot be signed: the private key that this kind's sender signs with was not given."""


class Revealable(Protocol):
    """A secret that shows itself only when asked by name."""

    def reveal(self) -> str: ...


class Source(Protocol):
    """What a kind asks of a configured source; `service.settings.SourceSettings` is one."""

    @property
    def secrets(self) -> Sequence[Revealable]: ...

    @property
    def tolerance_seconds(self) -> float: ...

    @property
    def map(self) -> Mapping[str, str]: ...

    @property
    def options(self) -> Options: ...


class Scheme(Protocol):
    """How deliveries are proven authentic, seen from both sides."""

    @property
    def options(self) -> frozenset[str]:
        """The keys of the source's table that this scheme knows."""

    def option_faults(self, options: Options, /) -> list[str]:
        """Answer what is wrong with the options, each fault beginning with its key."""

    def check_secret(self, secret: str, options: Options, /) -> str | None:
        """Answer why the secret cannot be used, without repeating it, or None."""

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:
        """Raise `Rejected`, and nothing else, unless one of the source's secrets vouches for the request."""

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:
        """Answer the request as the helpdesk would send it, signed with the source's first secret.

        `signing_key` is the private key where the source knows only the public one.

        Raises:
            CannotSign: that key is needed and missing.
        """
