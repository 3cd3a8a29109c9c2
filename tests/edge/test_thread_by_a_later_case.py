"""Replies that name a later case: their thread has one box, whatever they call it (rule 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.ports import Claimed, Write
from service.domain.reopens import Status
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.audit import By
from service.ledger.bulks import Order
from service.ledger.links import Link
from service.ledger.listing import Wanted

LATER, ROOT = 1694, 1683
BY = By("somebody", "api")


def event(name: str, **more: object) -> Admission:
    told = {"contact_id": 7, "thread_id": LATER, "ticket_id": "t1", "text": name, **more}
    return Admission(name, "support", name, name, "", **told)


async def done(ledger: Ledger, reopen_id: str) -> None:
    claimed = await ledger.leases.claim(reopen_id, bell=None, token=f"of {reopen_id}")
    assert isinstance(claimed, Claimed)
    assert (claimed.reopen.id, claimed.lease.box) == (reopen_id, str(ROOT))
    write = Write(replace(claimed.reopen, status=Status.SKIPPED))
    assert await ledger.leases.finish(claimed.lease, claimed.thread, write) is None


@pytest.fixture
async def ledger(ledger: Ledger) -> Ledger:
    """Of two replies one was cancelled, and then a look for the other showed whose case it is."""
    await ledger.admissions.admit([event("cancelled"), event("first")])
    await ledger.verbs.cancel("cancelled")
    claimed = await ledger.leases.claim("first", bell=None, token="one")
    assert isinstance(claimed, Claimed)
    await ledger.leases.reroot(claimed.lease, ROOT)
    await done(ledger, "first")
    return ledger


async def shown(ledger: Ledger) -> list[str]:
    view = await ledger.reads.thread(ROOT)
    assert view is not None
    return [reopen.id for reopen in view.reopens]


@pytest.mark.parametrize("is_bulk", [False, True], ids=["alone", "in a bulk"])
async def test_a_retry_goes_where_its_thread_is_by_now(ledger: Ledger, is_bulk: bool):
    """What was cancelled before its thread's own id was known is worked in that thread when it is retried."""
    if is_bulk:
        order = Order("retry", BY, ids=("cancelled",))
        await ledger.bulks.fill(await ledger.bulks.create(order), order)
    else:
        await ledger.verbs.retry("cancelled")
    await done(ledger, "cancelled")
    assert await shown(ledger) == ["cancelled", "first"]


async def test_a_reply_that_names_a_later_case_is_shown_with_its_thread(ledger: Ledger):
    """A reply that comes with a later case's id is listed with its thread at once, and found by both ids."""
    await ledger.admissions.admit([event("second")])
    assert await shown(ledger) == ["first", "second"]
    await done(ledger, "second")
    assert await shown(ledger) == ["first", "second"]
    for thread_id in (LATER, ROOT):
        found = await ledger.listing.page(Wanted(prefix=str(thread_id)))
        assert "second" in {reopen.id for reopen in found.reopens}


async def test_a_link_to_a_later_case_leads_to_its_thread(ledger: Ledger):
    """A ticket that is linked to a later case lets its replies go on in the thread itself."""
    held = {"held_for": "contact_unknown", "contact_id": None, "thread_id": None, "ticket_id": "t2"}
    await ledger.admissions.admit([event("held", **held)])
    assert await ledger.verbs.link("support", "t2", Link(7, LATER)) == 1
    assert await shown(ledger) == ["first", "held"]
    await done(ledger, "held")


async def test_nothing_is_left_of_a_thread_whose_replies_named_a_later_case(ledger: Ledger):
    """With its last reply goes the thread, by whatever id that came; before that it stays."""
    await ledger.retention.make_salt()
    await ledger.admissions.admit([event("second")])
    await ledger.forgetting.erase((await ledger.reads.reopens(["first"]))[0], 60_000)
    assert await ledger.reads.thread_alone(ROOT) is not None
    for each in ("second", "cancelled"):
        await ledger.forgetting.erase((await ledger.reads.reopens([each]))[0], 60_000)
    for thread_id in (LATER, ROOT):
        assert await ledger.reads.thread(thread_id) is None
        assert not (await ledger.listing.page(Wanted(prefix=str(thread_id)))).reopens
    assert await ledger.reads.thread_alone(ROOT) is None
