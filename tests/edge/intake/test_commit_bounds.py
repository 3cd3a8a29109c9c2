"""How deliveries are admitted together, whatever those who admit them do: bounded, and answered each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable, NotConfirmed
from service.intake import commit as commits
from service.intake.commit import ADMIT_SECONDS, MOST_CONFIRMING, GroupCommit
from service.intake.line import Waiting
from service.ledger.admission import Admitted, Together
from tests.edge.events import event

PROMISED_SECONDS = 2

Confirm = Callable[[], Awaitable[object]] | None


class Admitting:
    """Admits all it is given, once it is told to go on; or does as `instead` says."""

    def __init__(self, confirm: Confirm = None) -> None:
        self.confirm = confirm
        self.goes_on = asyncio.Event()
        self.asked: list[list[int]] = []
        self.instead: Callable[[], Awaitable[None]] | None = None

    async def admit_together(self, deliveries: Sequence[bytes]) -> Together:
        self.asked.append([len(packed) for packed in deliveries])
        if self.instead is not None:
            await self.instead()
        await self.goes_on.wait()
        accepted = Admitted("accepted", "id", "queued", "", conflict=False)
        return Together([[accepted] for _ in deliveries], self.confirm)


class Spooling:
    """Takes all at once."""

    is_taken = False

    def take(self, deliveries: Sequence[Waiting], away: LedgerUnavailable) -> None:
        for each in deliveries:
            each.resolve([])


def many(commit: GroupCommit, count: int, *, text: str = "") -> list[asyncio.Task[list[Admitted]]]:
    return [asyncio.create_task(commit.admit([event(f"e{n}", text=text)])) for n in range(count)]


async def one_by_one(commit: GroupCommit, count: int) -> list[asyncio.Task[list[Admitted]]]:
    """Each is a batch of its own, as long as it is asked for."""
    tasks = []
    for _ in range(count):
        tasks += many(commit, 1)
        for _ in range(5):
            await asyncio.sleep(0)
    return tasks


async def ended(tasks: list[asyncio.Task[list[Admitted]]]) -> set[type]:
    """As what they ended, well within the time that a helpdesk waits."""
    async with asyncio.timeout(10):
        return {type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)}


async def test_nobody_waits_longer_than_a_second_and_a_half():
    """Where Redis neither answers nor ends the connection, all learn in time that it is not known, and have
    waited as long as may be.
    """
    clock = SystemClock()
    began = clock.monotonic()
    assert await ended(many(GroupCommit(Admitting(), clock), 3)) == {LedgerUnavailable}
    assert clock.monotonic() - began > 1.4
    assert ADMIT_SECONDS < PROMISED_SECONDS


async def test_with_a_spool_redis_has_a_quarter_of_a_second():
    """What Redis has not confirmed by then goes to the spool, with all that is behind it."""
    clock = SystemClock()
    began = clock.monotonic()
    assert await ended(many(GroupCommit(Admitting(), clock, Spooling()), 100)) == {list}
    assert 0.2 < clock.monotonic() - began < 1.4


async def test_nobody_waits_longer_for_replicas_and_disks(monkeypatch):
    """Where they do not confirm, all learn it in time, also who waits for a turn to be asked for."""
    most_seconds = commits.CONFIRM_SECONDS
    monkeypatch.setattr(commits, "CONFIRM_SECONDS", 0.2)
    monkeypatch.setattr(commits, "ADMIT_SECONDS", 0.1)
    admitting = Admitting(asyncio.Event().wait)
    admitting.goes_on.set()
    tasks = await one_by_one(GroupCommit(admitting, SystemClock()), MOST_CONFIRMING + 3)
    assert await ended(tasks) == {NotConfirmed}
    assert len(admitting.asked) == MOST_CONFIRMING
    assert most_seconds < PROMISED_SECONDS


async def test_with_a_spool_nobody_waits_for_a_turn_that_does_not_come():
    """Where many batches wait to be confirmed, what comes behind them goes to the spool as soon as ever."""
    confirmed = asyncio.Event()
    admitting = Admitting(confirmed.wait)
    admitting.goes_on.set()
    tasks = await one_by_one(GroupCommit(admitting, SystemClock(), Spooling()), MOST_CONFIRMING + 3)
    assert await ended(tasks[MOST_CONFIRMING:]) == {list}
    assert not any(each.done() for each in tasks[:MOST_CONFIRMING])
    confirmed.set()
    assert await ended(tasks) == {list}


async def test_a_batch_is_16_deliveries_or_a_mebibyte():
    """So much is asked at once: others use this Redis too."""
    admitting = Admitting()
    commit = GroupCommit(admitting, SystemClock())
    admitting.goes_on.set()
    await ended(many(commit, 70))
    assert [len(batch) for batch in admitting.asked] == [16, 16, 16, 16, 6]
    admitting.asked.clear()
    await ended(many(commit, 20, text="x" * 300_000))
    assert max(len(batch) for batch in admitting.asked) == 5


async def test_who_stands_behind_a_batch_that_failed_learns_it_with_it():
    """Where Redis is away it is asked once for all who wait."""
    admitting = Admitting()

    async def away() -> None:
        await asyncio.sleep(0)
        raise LedgerUnavailable("away")

    admitting.instead = away
    assert await ended(many(GroupCommit(admitting, SystemClock()), 200)) == {LedgerUnavailable}
    assert len(admitting.asked) == 1


@pytest.mark.parametrize("when", ["asking", "confirming"])
async def test_a_fault_of_ours_leaves_nobody_without_an_answer(when: str):
    """Whatever breaks, those who wait are told that it is not known, and the next are asked for again."""

    async def broken() -> None:
        raise RuntimeError

    admitting = Admitting(broken if when == "confirming" else None)
    admitting.instead = broken if when == "asking" else None
    admitting.goes_on.set()
    commit = GroupCommit(admitting, SystemClock())
    assert await ended(many(commit, 3)) == {LedgerUnavailable}
    admitting.instead = admitting.confirm = None
    assert await ended(many(commit, 3)) == {list}


async def test_so_many_batches_wait_to_be_confirmed_and_no_more():
    """32 batches may wait for replicas and disks; the next is asked for when one of them is confirmed."""
    confirmed = asyncio.Semaphore(0)

    async def confirm() -> None:
        await confirmed.acquire()

    admitting = Admitting(confirm)
    admitting.goes_on.set()
    commit = GroupCommit(admitting, SystemClock())
    tasks = await one_by_one(commit, 40)
    assert len(admitting.asked) == 32
    for _ in tasks:
        confirmed.release()
    assert await ended(tasks) == {list}
    assert [len(batch) for batch in admitting.asked[32:]] == [8]
