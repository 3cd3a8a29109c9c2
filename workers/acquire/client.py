"""The client of one Acquire account."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from service.clock import Clock
from service.domain.cases import Case, CasePage, Messages, ThreadRead
from service.domain.errors import ReadFailed
from service.domain.outcomes import Outcome
from service.domain.ports import Acquire, Sending
from service.domain.reopens import Call
from service.settings import AcquireSettings
from workers.acquire import classify, compose, parse
from workers.acquire.compose import Request
from workers.acquire.parse import Malformed
from workers.acquire.wire import Result, Wire

MOST_CONTACT_PAGES = 20

Shown = TypeVar("Shown")


OnExchange = Callable[[Call, Request, Result], None]


def _unheeded(_: Call) -> None: ...


def _unnoted(_: Call, __: Request, ___: Result) -> None: ...


class AcquireClient:
    """One per process and event loop: it keeps connections to Acquire and uses them again.

    `concurrency` is how many jobs use it at a time. `tls` replaces the authorities that are trusted, by
    default those of the certifi package. `on_call` is told of every call that ended. Raises ValueError
    where the settings lack origin or key.
    """

    def __init__(
        self,
        settings: AcquireSettings,
        *,
        clock: Clock,
        concurrency: int = 32,
        tls: ssl.SSLContext | None = None,
        on_call: Callable[[Call], None] = _unheeded,
    ) -> None:
        self._settings = settings
        self._on_call = on_call
        self._wire = Wire(settings, clock=clock, concurrency=concurrency, tls=tls)

    def session(self, on_exchange: OnExchange = _unnoted) -> AcquireSession:
        """Acquire as one job uses it, with its own account of the calls made. `on_exchange` is told what was
        said in each.
        """
        return AcquireSession(self._wire, self._settings, self._on_call, on_exchange)

    async def aclose(self) -> None:
        await self._wire.aclose()


class AcquireSession(Acquire):
    """Reads raise `ReadFailed`, or `AccountRefused` where the key is refused; what is malformed counts as
    not read. `send` never raises; a caller that cancels it must take the outcome for unknown.
    """

    def __init__(
        self,
        wire: Wire,
        settings: AcquireSettings,
        on_call: Callable[[Call], None],
        on_exchange: OnExchange,
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._on_call = on_call
        self._on_exchange = on_exchange
        self._calls: list[Call] = []

    def calls(self) -> tuple[Call, ...]:
        calls, self._calls = tuple(self._calls), []
        return calls

    async def send(self, sending: Sending, *, may_send: Callable[[], bool]) -> Outcome:
        request = (compose.reopen if sending.case_id is None else compose.append)(sending, self._settings)
        return classify.outcome_of(await self._exchange(request, may_send), sending)

    async def read_thread(self, thread_id: int) -> ThreadRead:
        """The root case and the first page of those after it, asked for side by side: one round trip."""
        root, page = await asyncio.gather(
            self.read_case(thread_id), self.read_page(thread_id, 0), return_exceptions=True
        )
        if isinstance(root, BaseException) or isinstance(page, BaseException):
            raise min(
                (read for read in (root, page) if isinstance(read, BaseException)), key=classify.urgency
            )
        return ThreadRead(root, page)

    async def read_page(self, thread_id: int, page: int) -> CasePage:
        request = compose.cases(thread_id, page, with_fields="fields" in self._settings.body)
        return await self._read(request, partial(parse.case_page, asked_limit=compose.PAGE_LIMIT))

    async def read_case(self, case_id: int) -> Case | None:
        """The case, or None where Acquire itself says that it has none of that id."""
        return await self._find(compose.case(case_id), partial(parse.case, asked_id=case_id))

    async def read_contact_cases(self, contact_id: int) -> tuple[Case, ...]:
        """The cases of the contact; none where Acquire itself says that it has no such contact."""
        read = partial(parse.contact_cases, contact_id=contact_id)
        return await self._find(compose.contact(contact_id), read) or ()

    async def find_contacts(self, email: str) -> tuple[int, ...]:
        address = email.strip()
        if not address:
            return ()
        matching: dict[int, None] = {}
        listed: set[int] = set()
        for page in range(MOST_CONTACT_PAGES):
            shown = await self._read(
                compose.contacts(address, page), partial(parse.contact_page, email=address)
            )
            matching.update(dict.fromkeys(shown.matching))
            if shown.count is None or len(listed | shown.listed) >= shown.count:
                return tuple(matching)
            if shown.listed <= listed:
                break
            listed |= shown.listed
        raise ReadFailed("the list of contacts does not come to its end")

    async def read_messages(self, thread_id: int, contact_id: int) -> Messages:
        return await self._read(compose.messages(thread_id, contact_id), parse.messages)

    async def _find(self, request: Request, read: Callable[[object], Shown]) -> Shown | None:
        result = await self._exchange(request)
        return None if classify.says_no_such_record(result) else _shown(result, read)

    async def _read(self, request: Request, read: Callable[[object], Shown]) -> Shown:
        return _shown(await self._exchange(request), read)

    async def _exchange(self, request: Request, may_send: Callable[[], bool] | None = None) -> Result:
        result, call = await self._wire.exchange(request, may_send=may_send)
        self._calls.append(call)
        self._on_call(call)
        self._on_exchange(call, request, result)
        return result


def _shown(result: Result, read: Callable[[object], Shown]) -> Shown:
    answer = classify.answer_of(result)
    try:
        return read(classify.data_of(answer))
    except Malformed as fault:
        raise ReadFailed(f"the answer is unreadable: {fault}", http_status=answer.http_status) from None
