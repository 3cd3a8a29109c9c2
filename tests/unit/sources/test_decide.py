"""Does an event ask for a reopen?"""

from __future__ import annotations

import pytest

from service.domain.decide import Accept, Hold, Ignore, Rules, canonical_id, decide
from service.domain.events import Event

RULES = Rules(
    reply_types=frozenset({"replied"}),
    ping_types=frozenset({"ping"}),
    closed_statuses=frozenset({"closed"}),
)


def event(**changes):
    known = {"event_id": "e", "type": "replied", "author": "customer", "contact_id": "1", "thread_id": "2"}
    return Event(**{**known, **changes})


def test_a_customers_public_reply_goes_on():
    """Type, author and status fit: accepted, with canonical ids."""
    assert decide(event(thread_id="0002", ticket_status="closed"), RULES) == Accept(1, 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "ping"}, "set_up_ping"),
        ({"type": "moved"}, "event_type"),
        ({"author": "agent"}, "agent_reply"),
        ({"author": "system"}, "system_message"),
        ({"is_public": False}, "private_note"),
        ({"ticket_status": "open"}, "ticket_not_closed"),
        ({"author": "agent", "drift": "a.b", "event_id": ""}, "agent_reply"),
    ],
)
def test_what_asks_for_nothing_is_ignored_with_its_reason(changes, reason):
    """Each reason is a slug for metrics and a sentence for people, and comes before any doubt."""
    decision = decide(event(**changes), RULES)
    assert isinstance(decision, Ignore)
    assert decision.reason == reason
    assert decision.sentence.endswith(".")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drift": "a.b"}, "drift"),
        ({"author": None}, "author_unknown"),
        ({"event_id": ""}, "event_id_blank"),
        ({"contact_id": "abc"}, "contact_unknown"),
        ({"contact_id": "0"}, "contact_unknown"),
        ({"contact_id": "-5"}, "contact_unknown"),
        ({"thread_id": "1.0"}, "thread_unknown"),
        ({"thread_id": "9" * 41}, "thread_unknown"),
        ({"thread_id": "\u0663"}, "thread_unknown"),
    ],
)
def test_what_cannot_be_told_is_held(changes, reason):
    """A person looks at what may be a customer's reply but cannot be worked."""
    decision = decide(event(**changes), RULES)
    assert isinstance(decision, Hold)
    assert decision.reason == reason


def test_a_missing_status_counts_as_closed_and_unknown_ids_are_found_later():
    """Acquire is asked anyway; ids that the payload does not have are no reason to hold here."""
    assert decide(event(contact_id=None, thread_id=None), RULES) == Accept(None, None)


def test_without_closed_statuses_every_status_goes_on():
    """Where the payload's status is the one after the reply, it says nothing."""
    rules = Rules(reply_types=None)
    assert decide(event(type="anything", ticket_status="open"), rules) == Accept(1, 2)


def test_ids_in_two_spellings_are_one():
    """Leading zeros do not make another thread."""
    assert canonical_id("01683") == canonical_id("1683") == 1683
    assert canonical_id(None) is None
