"""Later replies of a thread go on when the one before them ends, however it ends (rule 11)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis.asyncio

from service.domain.ports import Claimed, Write
from service.domain.reopens import Status
from service.ledger import Ledger
from service.ledger.audit import By
from service.ledger.bulks import Order
from tests.contract.caring import redis_ms
from tests.edge.test_retention import event

FIRST, SECOND = "id-0001", "id-0002"


async def cancelled(ledger: Ledger) -> None:
    await ledger.verbs.cancel(FIRST)


async def cancelled_with_others(ledger: Ledger) -> None:
    order = Order("cancel", By("somebody", "api"), ids=(FIRST,))
    await ledger.bulks.fill(await ledger.bulks.create(order), order)


async def forgotten(ledger: Ledger) -> None:
    await ledger.retention.make_salt()
    (record,) = await ledger.reads.reopens([FIRST])
    assert record is not None
    await ledger.forgetting.erase(record, 60_000)


@pytest.mark.parametrize("end", [cancelled, cancelled_with_others, forgotten])
async def test_who_waits_behind_a_retry_does_not_wait_for_its_time(
    ledger: Ledger, connection: redis.asyncio.Redis, end
):
    """Where a reopen that is to be tried again in a quarter of an hour goes, the next one is due at once."""
    await ledger.admissions.admit([event(1, thread_id=7), event(2, thread_id=7)])
    claimed = await ledger.leases.claim(FIRST, bell=None, token="one")
    assert isinstance(claimed, Claimed)
    later_ms = await redis_ms(connection) + 900_000
    retrying = replace(claimed.reopen, status=Status.RETRYING, next_ms=later_ms)
    assert await ledger.leases.finish(claimed.lease, claimed.thread, Write(retrying)) is None
    assert (await ledger.sweeps.overdue()).boxes == ()
    await end(ledger)
    assert (await ledger.sweeps.overdue()).boxes == ("7",)
    following = await ledger.leases.claim("7", bell=None, token="two")
    assert isinstance(following, Claimed)
    assert following.reopen.id == SECOND
