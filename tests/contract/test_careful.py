"""An Acquire that is called with care: what counts as a failure, and who is let through when."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from service.clock import SystemClock
from service.domain.breaker import FAILURES_IN_A_ROW
from service.domain.errors import AccountRefused, NotAsked, ReadFailed
from service.domain.outcomes import Done, Refused, Unauthorized, Unknown, Withheld
from service.domain.ports import Given
from service.domain.reopens import Reopen, Status
from tests.contract.caring import shared_care
from workers import throttle
from workers.careful import Careful
from workers.throttle import FIRST_PLACES, Care

HEAD = Reopen("r", "desk", "e", 1, Status.QUEUED, 1, 1)


class Answering:
    """An Acquire that ends every call as it is told."""

    def __init__(self, ending):
        self.ending = ending
        self.calls_made = 0

    async def read_case(self, case_id):
        self.calls_made += 1
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending

    async def send(self, sending, *, may_send):
        self.calls_made += 1
        return self.ending


@pytest.mark.parametrize(
    ("ending", "counts"),
    [
        (None, "answered"),
        (ReadFailed("no", http_status=400), "answered"),
        (ReadFailed("no", http_status=422, supported=False), "answered"),
        (ReadFailed("broke"), "failed"),
        (ReadFailed("broke", http_status=500), "failed"),
        (ReadFailed("slow", http_status=408), "failed"),
        (ReadFailed("what nobody can read", http_status=200), "failed"),
        (ReadFailed("wait", http_status=429, retry_after_seconds=3.0), "neither"),
    ],
)
async def test_what_counts_as_a_failure(ledger, ending, counts):
    """Failures of Acquire or of the way to it count; an answer that says no to one customer does not."""
    care = Care(shared_care(ledger), SystemClock())
    careful = Careful(Answering(ending), care)
    for _ in range(FAILURES_IN_A_ROW + 1):
        with contextlib.suppress(ReadFailed):
            await careful.read_case(1)
    await care.aclose()
    assert (care.stopped() is not None) == (counts == "failed")


@pytest.mark.parametrize(
    ("ending", "opens"), [(Refused(400, "no"), False), (Done(1, 2), False), (Unknown("broke"), True)]
)
async def test_what_is_sent_counts_as_well(ledger, ending, opens):
    """A lost answer counts as a failure, a refusal does not; while it is open nothing is sent."""
    care = Care(shared_care(ledger), SystemClock())
    acquire = Answering(ending)
    careful = Careful(acquire, care)
    for _ in range(FAILURES_IN_A_ROW):
        await careful.send(None, may_send=lambda: True)
    await care.aclose()
    last = await careful.send(None, may_send=lambda: True)
    assert isinstance(last, Withheld) == opens
    assert acquire.calls_made == (FAILURES_IN_A_ROW if opens else FAILURES_IN_A_ROW + 1)


async def test_a_retry_over_budget_is_put_off(ledger, connection):
    """A head that failed before is put off where the budget is used up, and one that did not is not."""
    care = Care(shared_care(ledger), SystemClock())
    care.answered()
    careful = Careful(Answering(None), care)
    first = Reopen("r", "desk", "e", 1, Status.QUEUED, 1, 1)
    again = Reopen("r", "desk", "e", 1, Status.RETRYING, 1, 1, spent=1)
    put_off = None
    while put_off is None:
        put_off = await careful.admit(again, 1_000)
    assert put_off.why == "retry_budget"
    assert put_off.until_ms > 1_000
    assert await careful.admit(first, 1_000) is None


async def test_a_worker_that_leaves_begins_no_call(ledger):
    """Half a call time-out after a worker was asked to stop, nothing of it asks or tells Acquire any more."""
    care = Care(shared_care(ledger), SystemClock())
    acquire = Answering(None)
    careful = Careful(acquire, care)
    care.leave(60)
    assert await careful.read_case(1) is None
    care.leave(0)
    with pytest.raises(NotAsked) as refused:
        await careful.read_case(1)
    assert refused.value.why == "worker_leaves"
    assert isinstance(await careful.send(None, may_send=lambda: True), Withheld)
    assert acquire.calls_made == 1


@pytest.mark.parametrize(
    "ending",
    [
        ReadFailed("wait", http_status=429, retry_after_seconds=3.0),
        AccountRefused("no", http_status=401),
    ],
)
async def test_an_acquire_that_says_no_does_not_hang(ledger, ending):
    """Where Acquire asks for a pause or refuses the key, what comes after does not wait for an answer."""
    care = Care(shared_care(ledger), SystemClock())
    first, *_ = claims = [Careful(Answering(ending), care) for _ in range(FIRST_PLACES)]
    for careful in claims:
        assert await careful.admit(HEAD, 1_000) is None
    with pytest.raises(ReadFailed):
        await first.read_case(1)
    assert await asyncio.wait_for(first.admit(HEAD, 1_000), throttle.PATIENCE_SECONDS / 2) is None


async def test_a_few_go_first(ledger):
    """Where nothing was answered lately, a few may call, and all others as soon as there is an answer."""
    care = Care(shared_care(ledger), SystemClock())

    def begin():
        return asyncio.create_task(care.begin(3, is_retry=False, lane="live"))

    places = [begin() for _ in range(20)]
    done, _ = await asyncio.wait(places, timeout=0.5)
    assert len(done) == FIRST_PLACES
    care.answered()
    await asyncio.wait_for(asyncio.gather(*places), 10)
    assert await asyncio.wait_for(asyncio.gather(*[begin() for _ in range(20)]), 10) == [None] * 20


async def test_a_probe_does_not_wait_for_an_answer(ledger):
    """Once a few have failed the breaker knows, and who comes next, as its probe, goes at once."""
    care = Care(shared_care(ledger), SystemClock())
    for _ in range(FIRST_PLACES):
        await care.begin(3, is_retry=False, lane="live")
    for _ in range(FAILURES_IN_A_ROW):
        care.failed("no whole answer", care.now_ms())
    await care.aclose()
    assert care.stopped() is not None
    care._breaker = replace(care._breaker, until_ms=1)
    begun = care.begin(3, is_retry=False, lane="live")
    assert await asyncio.wait_for(begun, throttle.PATIENCE_SECONDS / 2) is None


async def test_what_acquire_says_is_not_in_the_log(ledger, caplog):
    """Whoever refuses, or fails, may repeat what was sent: that is in the record, and not in the log."""
    care = Care(shared_care(ledger), SystemClock())
    with pytest.raises(AccountRefused):
        await Careful(Answering(AccountRefused("blocked: my kettle", http_status=403)), care).read_case(1)
    sending = SimpleNamespace(reopen=SimpleNamespace(id="r1"))
    refused = Unauthorized(401, "blocked: my kettle")
    assert await Careful(Answering(refused), care).send(sending, may_send=lambda: True) == refused
    for _ in range(FAILURES_IN_A_ROW):
        with pytest.raises(ReadFailed):
            await Careful(Answering(ReadFailed("broke: my kettle", http_status=500)), care).read_case(1)
    await care.aclose()
    assert [each.message for each in caplog.records][2:] == ["breaker.opened"]
    told = [repr(vars(record)) for record in caplog.records]
    assert ["'http_status': 403" in told[0], "'http_status': 401, 'reopen_id': 'r1'" in told[1]] == [
        True,
        True,
    ]
    assert "kettle" not in "".join(told)


async def test_who_makes_no_call_makes_room_for_others(ledger):
    """Heads that end without a call, one after another or each with its claim, keep nobody waiting for an
    answer that none of them asked for.
    """
    care = Care(shared_care(ledger, rate=1_000), SystemClock())
    one_claim = Careful(Answering(None), care)
    for _ in range(FIRST_PLACES + 1):
        assert await asyncio.wait_for(one_claim.admit(HEAD, 1_000), 1) is None
    one_claim.unused()
    for _ in range(FIRST_PLACES + 1):
        careful = Careful(Answering(None), care)
        assert careful.wanted() is not None
        assert await asyncio.wait_for(careful.admit(HEAD, 1_000, Given(0.0)), 1) is None
        careful.unused()


async def test_who_called_is_waited_for(ledger):
    """A claim whose call failed stays among the few that went first: nobody knows yet how Acquire does."""
    care = Care(shared_care(ledger, rate=1_000), SystemClock())
    for _ in range(FIRST_PLACES):
        careful = Careful(Answering(ReadFailed("broke")), care)
        assert careful.wanted() is not None
        assert await careful.admit(HEAD, 1_000, Given(0.0)) is None
        with pytest.raises(ReadFailed):
            await careful.read_case(1)
        careful.unused()
    assert Careful(Answering(None), care).wanted() is None
    await care.aclose()
