"""Does this event ask for a reopen? Pure: an event and its kind's rules in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from service.domain.events import Event


@dataclass(frozen=True, slots=True)
class Rules:
    """How the events of one kind of helpdesk are to be judged.

    `reply_types` are the event types that tell of a customer's reply; None where every type may (the
    webhook itself was set up for replies only). `ping_types` are set-up requests, `case_types` tell of a
    case of Acquire's. `closed_statuses` are, in lower case, the statuses that let a reply go on; None where
    the payload's status says nothing, because it is the one after the reply: Acquire is asked anyway.
    """

    reply_types: frozenset[str] | None
    ping_types: frozenset[str] = frozenset()
    case_types: frozenset[str] = frozenset()
    closed_statuses: frozenset[str] | None = None

    def may_tell_of_reply(self, event_type: str) -> bool:
        """Whether an event of this type may be a customer's reply; one without a type may."""
        return not event_type or self.reply_types is None or event_type in self.reply_types


@dataclass(frozen=True, slots=True)
class Accept:
    """A customer's public reply. Ids are canonical, and None where the payload does not know them."""

    contact_id: int | None
    thread_id: int | None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing to do. `reason` is a slug, `sentence` says it to a person."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A person must look. `reason` is a slug, `detail` says what was found (a path, never a text)."""

    reason: str
    detail: str


CASE_STATUS = "case_status"
"""Why an event of Acquire's own is ignored: it asks for nothing, yet tells what became of a case."""

Decision: TypeAlias = Accept | Ignore | Hold


def decide(event: Event, rules: Rules) -> Decision:
    """Accept a customer's public reply, ignore what is none, hold what cannot be told.

    What says that nothing is to be done comes first: an agent's reply is ignored even where its payload
    has drifted, so that held events are only those that may be a customer's.
    """
    return _reason_to_ignore(event, rules) or _reason_to_hold(event) or _accept(event)


def _reason_to_ignore(event: Event, rules: Rules) -> Ignore | None:
    if event.type in rules.ping_types:
        return Ignore("set_up_ping", "The helpdesk only tested whether this address answers.")
    if event.type in rules.case_types:
        return Ignore(CASE_STATUS, "Acquire tells of a case: that is noted with its thread.")
    if not rules.may_tell_of_reply(event.type):
        return Ignore("event_type", f"Events of type {event.type[:100]!r} do not tell of a customer's reply.")
    if event.author == "agent":
        return Ignore("agent_reply", "An agent wrote this, not the customer.")
    if event.author == "system":
        return Ignore("system_message", "The helpdesk itself or a bot wrote this, not the customer.")
    if not event.is_public:
        return Ignore("private_note", "This is an internal note, not a public reply.")
    if rules.closed_statuses is not None and event.ticket_status is not None:
        if event.ticket_status.lower() in rules.closed_statuses:
            return None
        return Ignore(
            "ticket_not_closed", f"The ticket is {event.ticket_status[:100]!r}, so it goes on there."
        )
    return None


def _reason_to_hold(event: Event) -> Hold | None:
    if event.drift is not None:
        return Hold("drift", event.drift)
    if event.author is None:
        return Hold("author_unknown", "the payload does not say who wrote this; [map] author can")
    if not event.event_id:
        return Hold("event_id_blank", "the event has no id, so repeated deliveries could not be told apart")
    return None


def _accept(event: Event) -> Accept | Hold:
    contact_id, thread_id = canonical_id(event.contact_id), canonical_id(event.thread_id)
    if event.contact_id is not None and contact_id is None:
        return Hold("contact_unknown", f"contact id {event.contact_id[:40]!r} is not a positive whole number")
    if event.thread_id is not None and thread_id is None:
        return Hold("thread_unknown", f"thread id {event.thread_id[:40]!r} is not a positive whole number")
    return Accept(contact_id, thread_id)


def canonical_id(written: str | None) -> int | None:
    """Answer the id of a contact or thread that was written as a string of digits, else None.

    "01683" and "1683" are one thread: two spellings must not become two queues.
    """
    if written is None or len(written) > LONGEST_ID_DIGITS or not (written.isascii() and written.isdigit()):
        return None
    return int(written) or None


LONGEST_ID_DIGITS = 40
"""More than any id of 64 bits; what is longer is no id but a mistake."""
