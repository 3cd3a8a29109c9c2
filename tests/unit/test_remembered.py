"""What an event leaves in the ledger: its id, and the names by which it is known when it comes again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.domain.decide import Accept, Hold
from service.domain.events import Event
from service.intake.remembered import admission
from service.ledger.admission import Admission
from service.settings import SourceSettings

DESK = SourceSettings("desk", "standard")
EVENT = Event("msg_1", "replied", ticket_id="4711", message_id="m-1", customer_email="anna@example.com")


def remembered(
    event: Event, decision: Accept | Hold | None = None, *, source: SourceSettings = DESK, **how: Any
) -> Admission:
    told = {"body_hash": "hash", "delivery_id": "d", "now_ms": 1, "retry_window_seconds": 3600}
    return admission(source, event, decision or Accept(5, 6), **{**told, **how})


@pytest.mark.parametrize("event", [replace(EVENT, event_id=""), replace(EVENT, weak_id_window_seconds=3600)])
def test_what_has_no_id_is_known_by_its_body_for_a_while(event: Event):
    """Where an id is blank or missing, the body stands for it as long as its helpdesk repeats it, and each
    time thereafter is an event of its own.
    """
    first, later = remembered(event), remembered(event, now_ms=2)
    assert first.weak_key == later.weak_key
    assert first.weak_seconds == 3600
    assert first.reopen_id != later.reopen_id


def test_what_has_an_id_is_known_by_it_for_good():
    """The same id of the same source is the same reopen, whenever it comes."""
    first, later = remembered(EVENT), remembered(EVENT, now_ms=2, body_hash="other")
    assert first.reopen_id == later.reopen_id
    assert first.weak_key is None
    assert remembered(EVENT, source=SourceSettings("other", "standard")).reopen_id != first.reopen_id


def test_a_reply_is_named_by_source_ticket_and_message():
    """Several events of one reply share a name, that of another source, ticket or message does not; where one
    of them is missing there is none.
    """
    others = [
        remembered(EVENT, source=SourceSettings("other", "standard")),
        remembered(replace(EVENT, ticket_id="4712")),
        remembered(replace(EVENT, message_id="m-2")),
    ]
    names = {each.message_key for each in [remembered(EVENT), *others]}
    assert len(names) == 4
    assert remembered(replace(EVENT, event_id="msg_2")).message_key in names
    assert remembered(replace(EVENT, ticket_id=None)).message_key is None
    assert remembered(replace(EVENT, message_id=None)).message_key is None


@pytest.mark.parametrize(
    ("lookup", "address", "known", "held_for", "email"),
    [
        ("none", "anna@example.com", (None, None), "contact_unknown", None),
        ("none", "anna@example.com", (5, None), "thread_unknown", None),
        ("email", "anna@example.com", (None, None), None, "anna@example.com"),
        ("email", None, (None, None), "contact_unknown", None),
        ("email", "anna@example.com", (5, 6), None, None),
    ],
)
def test_who_is_not_known_is_searched_for_or_held(lookup, address, known, held_for, email):
    """The address is searched for where the source says so and there is one; else a person decides."""
    source = SourceSettings("desk", "standard", lookup=lookup)
    told = remembered(replace(EVENT, customer_email=address), Accept(*known), source=source)
    assert (told.held_for, told.email) == (held_for, email)
