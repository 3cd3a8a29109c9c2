"""Claims that end without a write: only a worker that never comes back counts against a reopen (rule 11)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from service.domain.errors import Fenced, LedgerUnavailable
from service.domain.ports import Claimed
from service.ledger import Ledger
from service.ledger.admission import Admission
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
    runtime = SimpleNamespace(ledger=ledger, tools=lambda _: SimpleNamespace(ledger=ledger.leases, gate=gate))
    for _ in range(6):
        await ringing.Ringing(runtime).answer("id-1", None)
    assert gate.unused.call_count == 6
    claimed = await ledger.leases.claim("id-1", bell=None, token="next")
    assert isinstance(claimed, Claimed)
    assert claimed.reopen.claims == 1


async def test_a_claim_whose_worker_is_gone_counts(ledger: Ledger):
    """A claim that nobody ends is counted when its lease is taken over."""
    for number in range(3):
        claimed = await ledger.leases.claim("id-1", bell=None, token=f"token-{number}")
        assert isinstance(claimed, Claimed)
        assert claimed.reopen.claims == number + 1
        await ledger.sweeps.evict("1001", (await ledger.sweeps.overdue()).leases["1001"])


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
