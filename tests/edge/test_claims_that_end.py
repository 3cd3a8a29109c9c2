"""Claims that end without a write: only a worker that never comes back counts against a reopen (rule 11)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pytest

from service.domain.errors import Fenced, LedgerUnavailable
from service.domain.ports import Claimed, Lease
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.tasks import cancelled
from workers import ringing

EVENT = Admission(
    reopen_id="id-1",
    source="support",
    event_id="e1",
    delivery_id="d1",
    body_hash="",
    contact_id=1,
    thread_id=1001,
    text="Hello",
)


@pytest.fixture
async def ledger(ledger: Ledger) -> Ledger:
    await ledger.admissions.admit([EVENT])
    return ledger


@pytest.mark.parametrize("error", [Fenced(), LedgerUnavailable("away")], ids=["lease lost", "Redis away"])
async def test_a_claim_whose_worker_lives_is_not_counted(ledger: Ledger, error, monkeypatch):
    """The claim of a worker that lost its lease, or Redis, and lives on does not count towards poison, and
    what it wanted of Acquire is free for others.
    """

    async def interrupted(claimed: Claimed, *_: object, **__: object) -> int:
        if isinstance(error, Fenced):
            await ledger.sweeps.evict("1001", (await ledger.sweeps.overdue()).leases["1001"])
        raise error

    monkeypatch.setattr(ringing, "work", interrupted)
    gate = Mock(wanted=lambda: None)
    for _ in range(6):
        await ringing.Ringing(runtime_of(ledger, gate)).answer("id-1", None)
    assert gate.unused.call_count == 6
    claimed = await ledger.leases.claim("id-1", bell=None, token="next")
    assert isinstance(claimed, Claimed)
    assert claimed.reopen.claims == 1


async def claims_that_never_end(ledger: Ledger, count: int) -> None:
    for number in range(count):
        claimed = await ledger.leases.claim("id-1", bell=None, token=f"token-{number}")
        assert isinstance(claimed, Claimed)
        assert claimed.reopen.claims == number + 1
        await ledger.sweeps.evict("1001", (await ledger.sweeps.overdue()).leases["1001"])


async def test_a_claim_whose_worker_is_gone_counts(ledger: Ledger):
    """A claim that nobody ends is counted when its lease is taken over."""
    await claims_that_never_end(ledger, 3)


async def test_a_claim_is_not_counted_though_redis_was_away_when_it_ended(ledger: Ledger, monkeypatch):
    """What could not be handed back is handed back as soon as Redis answers."""
    away = LedgerUnavailable("away")
    release = ledger.leases.release
    answers = [away, away, None]

    async def released(lease: Lease) -> None:
        if answers and (error := answers.pop(0)):
            raise error
        await release(lease)

    monkeypatch.setattr(ringing, "work", AsyncMock(side_effect=away))
    monkeypatch.setattr(ledger.leases, "release", released)
    answering = ringing.Ringing(runtime_of(ledger))
    assert await answering.answer("id-1", None) == 0
    assert await claims_of(ledger) == 1
    keeping = asyncio.create_task(answering.keep_leases())
    async with asyncio.timeout(10):
        while await claims_of(ledger):  # noqa: ASYNC110 - the product has no need to tell
            await asyncio.sleep(0.005)
    await cancelled([keeping])
    assert not (await ledger.sweeps.overdue()).leases


async def test_who_waits_to_run_alone_has_not_begun(ledger: Ledger, monkeypatch):
    """One that ended its worker twice waits until nothing runs beside it, and holds nothing meanwhile."""
    await claims_that_never_end(ledger, 2)
    worked = AsyncMock(return_value=1)
    monkeypatch.setattr(ringing, "work", worked)
    answering = ringing.Ringing(runtime_of(ledger))
    async with answering._alone.beside_others():
        answer = asyncio.create_task(answering.answer("id-1", None))
        async with asyncio.timeout(10):
            while answering._alone._nobody_alone.is_set():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
        assert await claims_of(ledger) == 2
        assert not (await ledger.sweeps.overdue()).leases
        worked.assert_not_called()
    assert await answer == 1
    assert worked.call_args[0][0].reopen.claims == 3


async def claims_of(ledger: Ledger) -> int:
    reopen = await ledger.reads.reopen("id-1")
    assert reopen is not None
    return reopen.claims


def runtime_of(ledger: Ledger, gate: Mock | None = None) -> SimpleNamespace:
    tools = SimpleNamespace(ledger=ledger.leases, gate=gate or Mock(wanted=lambda: None))
    return SimpleNamespace(ledger=ledger, tools=lambda _: tools, policy=SimpleNamespace(lease_ms=20))


async def test_a_lease_that_ended_while_it_was_renewed_is_not_lost(monkeypatch):
    """A lease is lost where two renewals in a row found it gone: one may just have come to its end."""
    gone = iter([{"1001"}, set(), {"1001"}, {"1001"}])
    asked = []

    async def renew(held: object) -> set[str]:
        asked.append(held)
        try:
            return next(gone)
        except StopIteration:
            raise asyncio.CancelledError from None

    log = Mock()
    monkeypatch.setattr(ringing, "log", log)
    leases = SimpleNamespace(renew=renew)
    runtime = SimpleNamespace(ledger=SimpleNamespace(leases=leases), policy=SimpleNamespace(lease_ms=1))
    holder = ringing.Ringing(runtime)
    holder._held["1001"] = Mock()
    with pytest.raises(asyncio.CancelledError):
        await holder.keep_leases()
    assert len(asked) == 5
    log.warning.assert_called_once_with("lease.lost", box="1001")
