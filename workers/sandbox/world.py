"""Cases, messages and contacts, and what happens to them. Times are unix milliseconds, handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

MISSING_FROM = 9_000_000_000_000_000
FIRST_CASE_ID = 100_001
FIRST_MESSAGE_ID = 500_001
SEEDED_CONTACT, SEEDED_THREAD, SEEDED_EMAIL = 597752, 1683, "customer@example.com"
SEEDED_MS = 1_616_580_417_000  # 2021-03-24, as on the vendor's page
SESSION_BASE = 3_711_819_272_000


class Refusal(Exception):
    """Acquire says no. `kind` is its error type."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


@dataclass(slots=True)
class Message:
    id: int
    case_id: int
    text: str
    sender: str
    created_ms: int
    shown_from_ms: int = 0


@dataclass(slots=True)
class Case:
    id: int
    thread_id: int
    contact_id: int
    status: str
    title: str
    description: str
    created_ms: int
    closed_ms: int | None = None
    fields: Any = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    shown_from_ms: int = 0
    textless: bool = False
    anybodys: bool = False
    """Made when it was first named in a read: it belongs to whoever reopens it first."""

    @property
    def session_id(self) -> int:
        """A number that needs 64 bits."""
        return SESSION_BASE + self.thread_id % 1_000_000


@dataclass(slots=True)
class Contact:
    id: int
    email: str | None = None
    merged_into: int | None = None


class World:
    """All that this Acquire account holds. `note` is told of every change, for the journal."""

    def __init__(self, note: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.note = note
        self.clear()

    def clear(self) -> None:
        """Start over: one customer with one closed case."""
        self.cases: dict[int, Case] = {}
        self.threads: dict[int, list[int]] = {}
        self.contacts: dict[int, Contact] = {}
        self.next_case_id, self.next_message_id = FIRST_CASE_ID, FIRST_MESSAGE_ID
        self._keep_contact(Contact(SEEDED_CONTACT, SEEDED_EMAIL))
        self.thread(SEEDED_THREAD, SEEDED_CONTACT, SEEDED_MS)

    def thread(self, thread_id: int, contact_id: int | None, now_ms: int) -> Case | None:
        """A thread's root case, made as a closed one where it is named for the first time."""
        if thread_id in self.cases:
            return self.cases[thread_id]
        if not 0 < thread_id < MISSING_FROM or thread_id in range(FIRST_CASE_ID, self.next_case_id):
            return None
        contact = self.contact(contact_id or SEEDED_CONTACT)
        root = Case(thread_id, thread_id, contact.id, "closed", "", "An earlier question.", now_ms, now_ms)
        root.anybodys = contact_id is None
        self._keep_case(root)
        return root

    def contact(self, contact_id: int) -> Contact:
        if not 0 < contact_id < MISSING_FROM:
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Contact not found")
        if contact_id not in self.contacts:
            self._keep_contact(Contact(contact_id))
        return self.contacts[contact_id]

    def create(
        self, *, contact_id: int, thread_id: int | None, title: str, text: str, fields: Any, now_ms: int
    ) -> Case:
        """A new case: of that thread, or, without one, unrelated to any."""
        contact = self.contact(contact_id)
        case_id = self.next_case_id
        root_id = case_id
        if thread_id is not None:
            root = self.thread(thread_id, contact_id, now_ms)
            if root is None:
                raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Case not found")
            if root.anybodys:
                root.contact_id, root.anybodys = contact.id, False
                self._note_case(root)
            if contact_id not in {root.contact_id, self.contacts[root.contact_id].merged_into}:
                raise Refusal(400, "ERROR_INVALID_INPUT", "The case belongs to another contact")
            root_id = root.thread_id
        self.next_case_id += 1
        case = Case(case_id, root_id, contact.id, "active", title, text, now_ms, fields=fields or [])
        self._keep_case(case)
        self._say(case, text, "contact", now_ms)
        return case

    def append(self, case_id: int, text: str, now_ms: int, *, sender: str = "contact") -> Message:
        case = self.cases.get(case_id)
        if case is None:
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Case not found")
        if case.status != "active":
            raise Refusal(400, "ERROR_INVALID_INPUT", f"The case is {case.status}")
        return self._say(case, text, sender, now_ms)

    def close(self, case_id: int, now_ms: int) -> Case:
        case = self._known(case_id)
        if case.status != "closed":
            case.status, case.closed_ms = "closed", now_ms
            self._note_case(case)
        return case

    def set_status(self, case_id: int, status: str) -> Case:
        case = self._known(case_id)
        case.status, case.closed_ms = status, None
        self._note_case(case)
        return case

    def merge(self, contact_id: int, into: int) -> None:
        """All cases of one contact are the other's from now on."""
        contact, main = self.contact(contact_id), self.contact(into)
        contact.merged_into = main.id
        self._note_contact(contact)
        for case in self.cases.values():
            if case.contact_id == contact.id:
                case.contact_id = main.id
                self._note_case(case)

    def set_email(self, contact_id: int, email: str | None) -> Contact:
        contact = self.contact(contact_id)
        contact.email = email
        self._note_contact(contact)
        return contact

    def children(self, thread_id: int) -> list[Case]:
        return [self.cases[case_id] for case_id in self.threads.get(thread_id, ()) if case_id != thread_id]

    def with_email(self, part: str) -> Iterator[Contact]:
        for contact in self.contacts.values():
            if contact.email and part.lower() in contact.email.lower():
                yield contact

    def hide(self, case: Case, until_ms: int) -> None:
        """Reads show it only from then on."""
        case.shown_from_ms = until_ms
        for message in case.messages:
            message.shown_from_ms = until_ms

    def restore(self, told: dict[str, Any]) -> None:
        """A change as it was noted, done again without noting it."""
        if "case" in told:
            row = dict(told["case"])
            row["messages"] = [Message(**message) for message in row["messages"]]
            case = Case(**row)
            self._place(case)
            self.next_case_id = max(self.next_case_id, case.id + 1 if case.id >= FIRST_CASE_ID else 0)
            last = max((message.id for message in case.messages), default=0)
            self.next_message_id = max(self.next_message_id, last + 1)
        elif "message" in told:
            message = Message(**told["message"])
            self.cases[message.case_id].messages.append(message)
            self.next_message_id = max(self.next_message_id, message.id + 1)
        else:
            contact = Contact(**told["contact"])
            self.contacts[contact.id] = contact

    def _known(self, case_id: int) -> Case:
        if case_id not in self.cases:
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Case not found")
        return self.cases[case_id]

    def _say(self, case: Case, text: str, sender: str, now_ms: int) -> Message:
        message = Message(self.next_message_id, case.id, text, sender, now_ms)
        self.next_message_id += 1
        case.messages.append(message)
        self.note({"message": asdict(message)})
        return message

    def _place(self, case: Case) -> None:
        if case.id not in self.cases:
            self.threads.setdefault(case.thread_id, []).append(case.id)
        self.cases[case.id] = case

    def _keep_case(self, case: Case) -> None:
        self._place(case)
        self._note_case(case)

    def _note_case(self, case: Case) -> None:
        self.note({"case": asdict(case)})

    def _keep_contact(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        self._note_contact(contact)

    def _note_contact(self, contact: Contact) -> None:
        self.note({"contact": asdict(contact)})
