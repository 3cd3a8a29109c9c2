"""Values that are made anew with something else in them."""

from __future__ import annotations

import dataclasses

import pytest

from service.domain.reopens import Attempt, Reopen, Status
from service.domain.threads import Thread
from service.domain.values import replace

REOPEN = Reopen("id", "support", "event", 1, Status.QUEUED, 2, 3)


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (REOPEN, {"status": Status.DEAD, "reason": "refused"}),
        (REOPEN, {}),
        (Attempt(1, 2), {"ended_ms": 3}),
        (Thread(id=1), {"contacts": (7,)}),
    ],
)
def test_it_does_what_the_library_does(value, changes):
    """The fields that are named say something else, all others the same, and the first stays as it was."""
    before = dataclasses.astuple(value)
    made = replace(value, **changes)
    assert made == dataclasses.replace(value, **changes)
    assert type(made) is type(value)
    assert made is not value
    assert dataclasses.astuple(value) == before


def test_a_field_that_is_not_there_is_refused():
    """A misspelt name changes nothing silently."""
    with pytest.raises(TypeError, match="Reopen has no statu"):
        replace(REOPEN, statu=Status.DEAD)
