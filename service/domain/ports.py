"""What the use case needs from the world: the ledger, Acquire, and permission to send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from service.domain.cases import Case, CasePage, Messages, ThreadRead
from service.domain.outcomes import Outcome
from service.domain.reopens import Call, Reopen, Status
from service.domain.threads import Claim, Effect, Thread


class Ticker(Protocol):
    """A clock that counts on while the machine sleeps, in seconds."""

    def boottime(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to decide for one thread. `box` is the thread's name in the ledger.

    `asked_at` is this machine's boottime when the lease was last asked for or renewed, in seconds:
    nobody else can take it over before `asked_at` plus its length. `redis_ms` is Redis' time at that
    moment, so that a holder tells Redis' time without asking. `noted` are the observations that the
    thread was read with: writing the thread makes them part of it. `known_cases` are the cases it was read
    with, and `step` counts the holder's writes, so that none of them is undone by an earlier one.
    """

    box: str
    token: str
    epoch: str
    length_ms: int
    asked_at: float
    redis_ms: int
    noted: tuple[Effect, ...] = ()
    known_cases: frozenset[int] = frozenset()
    step: int = 0

    def now_ms(self, ticker: Ticker) -> int:
        return self.redis_ms + int((ticker.boottime() - self.asked_at) * 1000)

    def outlives(self, ms: int, ticker: Ticker) -> bool:
        return (ticker.boottime() - self.asked_at) * 1000 + ms <= self.length_ms


@dataclass(frozen=True, slots=True)
class Given:
    """The calls may be made in so long."""

    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Full:
    """No place now; ask again in so long."""

    again_seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """The retry budget is used up for so long."""

    later_ms: int


Place: TypeAlias = Given | Full | Spent
"""What becomes of calls under the account's limits."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The head of a thread is ours to work. `read_lag_ms` is the worst read lag measured of this account;
    `forgot_ms` is when Redis last started anew and may have forgotten what it confirmed, 0 for never; `place`
    is for its first calls, where one was asked for.
    """

    lease: Lease
    reopen: Reopen
    thread: Thread
    read_lag_ms: int = 0
    forgot_ms: int = 0
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """Nothing to do here now: `busy` (somebody holds the thread), `idle` (nothing is due), or the reason
    why the account may not send (`paused`, `quarantined`, `throttled`, `credentials_refused`), with the
    time until which, where there is one.
    """

    why: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A record as it is to be. With `expect`, it is left as it is where its status is another by now."""

    reopen: Reopen
    expect: Status | None = None


Observation: TypeAlias = tuple[Effect, Claim]
Wanted: TypeAlias = tuple[float, ...]
"""A place for calls as the ledger is asked for it: whoever cares for Acquire knows what it says."""


class Ledger(Protocol):
    """The truth about every reopen. Each call is one script: whole or not at all, safe to repeat.

    Fenced calls raise `Fenced` when the lease is lost or Redis started anew, and any call raises
    `LedgerUnavailable` when it is not known to have happened.
    """

    async def claim(
        self, name: str, *, bell: str | None, token: str, wanted: Wanted | None = None
    ) -> Claimed | Unclaimed:
        """Take the thread that `name` (a reopen's id or a box) belongs to, and its head, with a place for its
        first calls where one is wanted.
        """

    async def save(self, lease: Lease, thread: Thread, *writes: Write, durably: bool = False) -> Lease:
        """Fenced. Write the thread and records; the lease is renewed by it. With `durably` it raises
        `NotConfirmed` where it is written, but has not come as far as the settings ask.
        """

    async def finish(
        self, lease: Lease, thread: Thread, *writes: Write, observed: Sequence[Observation] = ()
    ) -> Claimed | None:
        """Note what was observed, fenced or not; then, fenced, write, and take the next head that is due or,
        in the same script, give the lease back.
        """

    async def reroot(self, lease: Lease, root: int) -> None:
        """Fenced. Acquire says that this thread is part of thread `root`: all that waits here goes there."""

    async def linked(self, reopen: Reopen) -> tuple[int, int] | None:
        """The contact and thread that its ticket is linked to."""

    async def place(self, lease: Lease, reopen: Reopen, contact_id: int, thread_id: int) -> None:
        """Fenced. The customer was found in Acquire: link the ticket; its replies go to their thread."""

    async def fetch(self, reopen_id: str) -> Reopen | None: ...

    async def note_read_lag(self, lag_ms: int) -> None: ...

    async def stop_account(self, why: str, until_ms: int, detail: str, *, probes: bool) -> int:
        """Nobody claims anything until `until_ms`, or longer where it is stopped for longer already: answers
        until when. `why` is a slug, `detail` tells a person more. With `probes` one thread at a time is
        claimed then, until a call is answered.
        """


@dataclass(frozen=True, slots=True)
class Sending:
    """One call that writes: a reopen (`case_id` None) or an append to that case."""

    reopen: Reopen
    thread_id: int
    contact_id: int
    session_id: str | None
    case_id: int | None
    token: str


class Acquire(Protocol):
    """Acquire's API. Reads raise `ReadFailed`; `send` never raises but returns how it ended."""

    async def read_thread(self, thread_id: int) -> ThreadRead: ...

    async def read_page(self, thread_id: int, page: int) -> CasePage: ...

    async def read_case(self, case_id: int) -> Case | None: ...

    async def read_contact_cases(self, contact_id: int) -> tuple[Case, ...]: ...

    async def find_contacts(self, email: str) -> tuple[int, ...]:
        """The contacts that have this very address, each once, merged ones under their main id."""

    async def read_messages(self, thread_id: int, contact_id: int) -> Messages: ...

    async def send(self, sending: Sending, *, may_send: Callable[[], bool]) -> Outcome:
        """`may_send` is asked as the last act before the first byte is written (rule 8)."""

    def calls(self) -> tuple[Call, ...]:
        """The calls made since this was last asked, for the attempt's record."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, and not the reopen's fault: `why` is a slug."""

    until_ms: int
    why: str


class Gate(Protocol):
    """Care for Acquire, shared by all workers."""

    def wanted(self) -> Wanted | None:
        """What to ask for along with a claim, so that its first call waits for no further question."""

    def unused(self) -> None:
        """The claim came to nothing, or to its end: what was wanted or admitted last, and called nobody, is
        free for others.
        """

    async def admit(self, reopen: Reopen, now_ms: int, place: Place | None) -> Later | None:
        """None: go. It may wait, for seconds at most, for a place under the rate limit where `place`, which
        came with the claim, is none.
        """
