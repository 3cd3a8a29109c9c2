"""Which bells may be popped: new replies find room beside any backlog, and a backlog beside new replies."""

from __future__ import annotations

import pytest

from workers.slots import Room, Slots


@pytest.mark.parametrize(("concurrency", "most_of_backlog"), [(1, 1), (2, 1), (4, 3), (32, 24), (64, 48)])
def test_the_backlog_leaves_slots_to_new_replies(concurrency, most_of_backlog):
    """A backlog takes three quarters of the slots at most, and the only one where there is only one."""
    slots = Slots(concurrency)
    assert slots.room(backlog_waits=True).backlog == most_of_backlog
    slots.take(0, most_of_backlog)
    room = slots.room(backlog_waits=True)
    assert (room.live, room.backlog) == (concurrency - most_of_backlog, 0)


@pytest.mark.parametrize(("concurrency", "kept"), [(4, 0), (8, 1), (32, 1)])
def test_new_replies_leave_a_slot_to_a_backlog(concurrency, kept):
    """Of many slots, new replies leave one to a backlog that waits, so that it is never starved."""
    slots = Slots(concurrency)
    assert slots.room(backlog_waits=True).live == concurrency - kept
    assert slots.room(backlog_waits=False).live == concurrency


def test_what_is_given_back_is_free_again():
    """Each lane gets back what it gave."""
    slots = Slots(8)
    slots.take(3, 5)
    assert not slots.wait(0)
    slots.give_back(1, 2)
    assert slots.wait(0)
    assert slots.room(backlog_waits=True) == Room(live=3, backlog=3, both=3)
