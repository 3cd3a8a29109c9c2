"""Acquire as a worker sees it (`service.domain.ports.Acquire`): every call is a step that a fault can cut.

tests/contract/test_acquire_twin.py holds it to the sandbox behind the real client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.domain.cases import Case, CasePage, Messages, ThreadRead
from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import Done, NotSent, Outcome, Refused, Unauthorized, Unknown
from service.domain.ports import Acquire, Sending
from service.domain.reopens import Call
from tests.simulation.acquire_world import AcquireWorld, Refusal
from tests.simulation.engine import Node, Step


class AcquireTwin(Acquire):
    """The calls of one node."""

    def __init__(self, node: Node, world: AcquireWorld) -> None:
        self._node = node
        self._world = world

    async def read_thread(self, thread_id: int) -> ThreadRead:
        def act() -> ThreadRead:
            self._answers(self._world.manner.list_down_until_ms)
            return ThreadRead(self._world.show_case(thread_id), self._world.show_page(thread_id, 0))

        self._world.looked.append((self._world.now(), thread_id))
        return await self._read(act, f"read thread {thread_id}")

    async def read_page(self, thread_id: int, page: int) -> CasePage:
        def act() -> CasePage:
            self._answers(self._world.manner.list_down_until_ms)
            return self._world.show_page(thread_id, page)

        return await self._read(act, f"read page {page} of thread {thread_id}")

    async def read_case(self, case_id: int) -> Case | None:
        return await self._read(lambda: self._world.show_case(case_id), f"read case {case_id}")

    async def read_contact_cases(self, contact_id: int) -> tuple[Case, ...]:
        def act() -> tuple[Case, ...]:
            self._answers(self._world.manner.contact_down_until_ms)
            return self._world.show_contact(contact_id)

        return await self._read(act, f"read the cases of contact {contact_id}")

    async def find_contacts(self, email: str) -> tuple[int, ...]:
        def act() -> tuple[int, ...]:
            world = self._world
            found = [contact for contact, address in world.emails.items() if address == email]
            return tuple(dict.fromkeys(world.merged.get(contact, contact) for contact in found))

        return await self._read(act, "find the contacts of an address")

    async def read_messages(self, thread_id: int, contact_id: int) -> Messages:
        def act() -> Messages:
            if self._world.manner.no_messages_call:
                raise ReadFailed("Cannot GET messages", http_status=404, supported=False)
            self._answers(self._world.manner.messages_down_until_ms)
            return self._world.show_messages(thread_id)

        return await self._read(act, f"read the messages of thread {thread_id}")

    async def send(self, sending: Sending, *, may_send: Callable[[], bool]) -> Outcome:
        what = "reopen" if sending.case_id is None else f"append to case {sending.case_id}"
        outcome: Outcome = await Step(
            self._node,
            "send",
            lambda: self.effect(sending),
            lost=lambda left: Unknown("no answer") if left else NotSent("cannot connect"),
            told=lambda: f"{what} of thread {sending.thread_id} for {sending.reopen.id}",
            last_check=lambda: self._kept_back(sending, may_send),
            about=sending.reopen.id,
        )
        return outcome

    def _kept_back(self, sending: Sending, may_send: Callable[[], bool]) -> Outcome | None:
        """The last check before the first byte."""
        manner = self._world.manner
        if self._world.now() < max(manner.away_until_ms, manner.takes_no_calls_until_ms):
            return NotSent("cannot connect")
        if not may_send():
            return NotSent("the lease does not outlive the call")
        self._world.tried.add(sending.reopen.id)
        return None

    def effect(self, sending: Sending) -> Outcome:
        """What Acquire does on the call, and answers."""
        reopen, now, manner = sending.reopen, self._world.now(), self._world.manner
        if now < manner.key_refused_until_ms:
            return Unauthorized(401, "Invalid API key")
        if now < manner.fails_until_ms:
            return Unknown("HTTP 500", 500)
        if now < manner.refuses_until_ms:
            return Refused(422, "Not now")
        try:
            if sending.case_id is None:
                case = self._world.create(
                    sending.thread_id,
                    sending.contact_id,
                    reopen.text or "",
                    reopen_id=reopen.id,
                    mark=sending.token,
                )
                return Done(case.id, case.thread_id)
            message = self._world.append(sending.case_id, reopen.text or "", reopen_id=reopen.id)
            return Done(sending.case_id, sending.thread_id, message.id)
        except Refusal as refusal:
            status, words = refusal.args
            return Refused(status, words)

    def calls(self) -> tuple[Call, ...]:
        return ()

    def _answers(self, down_until_ms: int) -> None:
        if self._world.now() < down_until_ms:
            raise ReadFailed("HTTP 500", http_status=500)

    async def _read(self, act: Callable[[], Any], told: str) -> Any:
        def answered() -> Any:
            self._answers(self._world.manner.away_until_ms)
            if self._world.now() < self._world.manner.key_refused_until_ms:
                raise AccountRefused("Invalid API key", http_status=401)
            return act()

        lost = ReadFailed("no answer")
        return await Step(self._node, "read", answered, lost=lambda _: lost, told=lambda: told)
