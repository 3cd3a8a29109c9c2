"""What Acquire shows: cases, messages, and one look at a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

View = Literal["thread", "contact"]
"""Which read-back a look came from: the list of the thread's cases, or the contact with its cases.
Two looks compare only where they have the same view."""

CLOCK_MARGIN_MS = 300_000
"""How far Acquire's dates may be off ours."""
WRONG_CLOCK_MS = 86_400_000
"""A clock that is wrong by more than that is wrong by hours: the wrong zone, no NTP."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a case; `text` is None where Acquire does not show it."""

    id: int
    text: str | None
    created_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `text` is its first message (`description`), None where Acquire shows none.

    A case is closed when `status` is `closed` or `dateClosed` is set; `closingState` says nothing
    (docs/acquire.md, "Reading back"). `marks` are the strings in which a field of ours may be echoed.
    """

    id: int
    thread_id: int
    status: str
    closed: bool
    contact_id: int | None = None
    session_id: str | None = None
    text: str | None = None
    created_ms: int | None = None
    marks: tuple[str, ...] = ()

    @property
    def takes_messages(self) -> bool:
        """Only active cases take messages (docs/acquire.md, "Writing to an open case")."""
        return not self.closed and self.status not in {"pending", "queue"}


@dataclass(frozen=True, slots=True)
class CasePage:
    """One page of a list of cases. `count` is how many there are, as far as Acquire says; since it is not
    documented whether it counts all pages or this one, a `full` page is never taken for the last.
    """

    cases: tuple[Case, ...]
    count: int | None
    full: bool = False


@dataclass(frozen=True, slots=True)
class ThreadRead:
    """The root case (None where Acquire has none of that id) and the first page of the cases after it."""

    root: Case | None
    page: CasePage


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of a thread's cases. Not `complete`: Acquire showed the last message of each only."""

    by_case: Mapping[int, tuple[Message, ...]]
    complete: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a thread showed. It is only made where it shows everything known to exist (rule 4).

    `taken_ms` is when it began, on Redis' clock. `messages` is None where they were not asked for, or
    where Acquire has no such call for this account.
    """

    root_id: int
    view: View
    cases: Mapping[int, Case]
    taken_ms: int
    messages: Messages | None = None

    @property
    def open_cases(self) -> list[Case]:
        """Open cases, newest last."""
        return [case for case in self.by_age if not case.closed]

    @property
    def by_age(self) -> list[Case]:
        """All cases, newest last; nothing of a thread is older than its root."""
        return sorted(self.cases.values(), key=lambda case: (case.id != self.root_id, case.id))
