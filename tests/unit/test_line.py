"""Deliveries in line: first come, first served, and no more than can be served."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.domain.errors import Overloaded
from service.intake.line import Line, Waiting

MIB = 1024 * 1024


def waiting(packed: bytes = b"x", since: float = 0.0) -> Waiting:
    nobody: Any = None
    return Waiting([], packed, 0, since, nobody)


@pytest.mark.parametrize(
    ("before", "last", "next_one"),
    [
        ([waiting()] * 4_095, waiting(), waiting()),
        ([waiting(b"x" * MIB)] * 31, waiting(b"x" * MIB), waiting()),
        ([waiting(since=1.0)], waiting(since=1.5), waiting(since=1.51)),
    ],
    ids=["number", "bytes", "time"],
)
def test_it_is_bounded(before: list[Waiting], last: Waiting, next_one: Waiting):
    """4,096 deliveries, 32 MiB, half a second for the first: whoever comes then is refused at once."""
    line = Line()
    for each in [*before, last]:
        line.join(each)
    with pytest.raises(Overloaded):
        line.join(next_one)
    assert len(line) == len(before) + 1


def test_who_comes_to_nobody_is_served_however_large():
    """A delivery that is larger than the bound goes alone."""
    line = Line()
    large = waiting(b"x" * (33 * MIB))
    line.join(large)
    assert line.first(64, MIB) == [large]


def test_a_batch_is_bounded_in_number_and_bytes():
    """So many at a time, in order; one that goes over the bytes is the batch's last."""
    line = Line()
    for number in range(10):
        line.join(waiting(b"%d" % number * 100))
    taken = [[each.packed[:1] for each in line.first(*how)] for how in ((3, 10_000), (10, 250), (10, 10_000))]
    assert taken == [[b"0", b"1", b"2"], [b"3", b"4", b"5", b"6"], [b"7", b"8", b"9"]]


@pytest.mark.parametrize("take", [Line.all, lambda line: line.first(2, MIB)])
def test_who_is_gone_takes_no_room(take):
    """Once they are taken, there is room for as many bytes again."""
    line = Line()
    for _ in range(2):
        line.join(waiting(b"x" * 16 * MIB))
        line.join(waiting(b"x" * 16 * MIB))
        assert len(take(line)) == 2
        assert line.bytes == 0


@pytest.mark.parametrize("outcome", [[], Overloaded("too many")])
async def test_who_does_not_wait_any_more_is_told_nothing(outcome):
    """An answer for somebody who left meanwhile, or has one, harms nobody."""
    gone = replace(waiting(), answer=asyncio.get_running_loop().create_future())
    gone.answer.cancel()
    gone.resolve(outcome)
    told = replace(waiting(), answer=asyncio.get_running_loop().create_future())
    told.resolve([])
    told.resolve(outcome)
    assert await told.answer == []
