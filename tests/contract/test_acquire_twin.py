"""One suite for two: the Acquire that the simulation plays with, and the sandbox behind the real client."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from service.clock import SystemClock
from service.domain.errors import ReadFailed
from service.domain.outcomes import Done, Refused
from service.domain.ports import Acquire, Sending
from service.domain.reopens import Policy, Reopen, Status
from service.settings import AcquireSettings
from service.settings.model import Secret
from tests import running
from tests.simulation.acquire_twin import AcquireTwin
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import Cluster
from workers.acquire import AcquireClient

THREAD, CONTACT, NO_THREAD = 1683, 597752, 9_000_000_000_000_001
WORDS = 'It  broke <again> & "nobody" answers the telephone.'
LONG_MS, LONG_SECONDS = 3_600_000, 3_600


@dataclass(slots=True)
class Account:
    """One of the two, and what people do there."""

    acquire: Acquire
    people: Any

    async def send(self, case_id: int | None = None, *, thread_id: int = THREAD, contact_id: int = CONTACT):
        reopen = Reopen("r", "s", "e", 1, Status.RUNNING, 0, 0, ticket_id="t", text=WORDS)
        sending = Sending(reopen, thread_id, contact_id, None, case_id, "rx-token")
        return await self.acquire.send(sending, may_send=lambda: True)

    async def shown(self) -> Any:
        """What a look shows, with the cases counted from the thread's first one on."""
        read = await self.acquire.read_thread(THREAD)
        listed = sorted(read.page.cases, key=lambda case: case.id)
        cases = [(case.thread_id == THREAD, case.status, case.closed, case.text) for case in listed]
        return read.root.id, read.root.closed, cases, read.page.count, read.page.full


async def _reopened(account: Account) -> Any:
    done = await account.send()
    assert isinstance(done, Done)
    case = await account.acquire.read_case(done.case_id)
    messages = await account.acquire.read_messages(THREAD, CONTACT)
    said = [message.text for message in messages.by_case[done.case_id]]
    return done.thread_id, await account.shown(), case.contact_id, case.session_id is not None, said


async def _appended(account: Account) -> Any:
    case_id = (await account.send()).case_id
    done = await account.send(case_id)
    account.people.close(case_id)
    refused = await account.send(case_id)
    messages = (await account.acquire.read_messages(THREAD, CONTACT)).by_case[case_id]
    ids = [message.id for message in messages]
    return done.message_id in ids, len(ids), _kind(refused), await account.shown()


async def _refused(account: Account) -> Any:
    await account.shown()
    foreign = await account.send(contact_id=CONTACT + 1)
    return _kind(foreign), await account.acquire.read_case(NO_THREAD), _kind(await account.send(NO_THREAD))


async def _seen(account: Account) -> Any:
    """Three cases, and whatever the account shows of them."""
    made = [(await account.send()).case_id for _ in range(3)]
    told: list[Any] = []
    for read in (
        account.shown(),
        account.acquire.read_page(THREAD, 1),
        account.acquire.read_case(made[-1]),
        account.acquire.read_contact_cases(CONTACT),
        account.acquire.read_messages(THREAD, CONTACT),
    ):
        try:
            told.append(_told(await read, made))
        except ReadFailed as failure:
            told.append(("failed", failure.http_status, failure.supported))
    return told


MANNERS = {
    "as it is": (Manner(), []),
    "pages": (Manner(page_size=2), [{"kind": "pages", "size": 2}]),
    "escaped": (Manner(escapes=True), [{"kind": "escape"}]),
    "cut": (Manner(cuts_at=12), [{"kind": "trim", "length": 12}]),
    "without text": (Manner(textless=True), [{"kind": "textless"}]),
    "last messages": (Manner(last_message_only=True), [{"kind": "last_message_only"}]),
    "no call for messages": (Manner(no_messages_call=True), [{"kind": "reject_messages"}]),
    "list down": (Manner(list_down_until_ms=LONG_MS), [{"kind": "list_down"}]),
    "queue": (Manner(new_status="queue"), [{"kind": "queue"}]),
    "lag": (
        Manner(list_lag_ms=LONG_MS, case_lag_ms=LONG_MS, message_lag_ms=LONG_MS),
        [{"kind": "lag", "on": "create", "seconds": LONG_SECONDS}],
    ),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[httpx.Client]:
    with running.sandbox(tmp_path_factory.mktemp("sandbox")) as client:
        yield client


@pytest.mark.parametrize("behaviour", [_reopened, _appended, _refused])
async def test_both_act_alike(behaviour, started):
    """Reopening, appending and refusals are the same in memory as over HTTP."""
    assert _in_memory(behaviour, Manner()) == await _over_http(behaviour, started, [])


@pytest.mark.parametrize("manner", MANNERS)
async def test_both_show_alike(manner, started):
    """However badly the account shows its cases, both show them so."""
    twin, faults = MANNERS[manner]
    assert _in_memory(_seen, twin) == await _over_http(_seen, started, faults)


def _in_memory(behaviour, manner: Manner) -> Any:
    """Drive the coroutine by hand: every step takes effect at once."""
    cluster = Cluster(random.Random(0), Policy(), manner)
    cluster.world.root(THREAD, CONTACT)
    coroutine = behaviour(Account(AcquireTwin(cluster.door, cluster.world), cluster.world))
    answer: Any = None
    try:
        while True:
            step = coroutine.throw(answer) if isinstance(answer, Exception) else coroutine.send(answer)
            try:
                answer = step.act()
            except ReadFailed as failure:
                answer = failure
    except StopIteration as ended:
        return ended.value


async def _over_http(behaviour, sandbox: httpx.Client, faults: list[Any]) -> Any:
    _begin(sandbox, faults)
    settings = AcquireSettings("demo", Secret("any-key"), str(sandbox.base_url).rstrip("/"))
    client = AcquireClient(settings, clock=SystemClock())
    try:
        return await behaviour(Account(client.session(), _People(sandbox)))
    finally:
        await client.aclose()


def _begin(sandbox: httpx.Client, faults: list[Any]) -> None:
    sandbox.post("/_sandbox/reset").raise_for_status()
    sandbox.post("/_sandbox/faults", json=faults).raise_for_status()


@dataclass(slots=True)
class _People:
    sandbox: httpx.Client

    def close(self, case_id: int) -> None:
        self.sandbox.post(f"/_sandbox/cases/{case_id}/close").raise_for_status()


def _kind(outcome: object) -> Any:
    return ("refused", outcome.http_status) if isinstance(outcome, Refused) else type(outcome).__name__


def _told(shown: Any, made: list[int]) -> Any:
    """What was shown, in numbers that do not hang on where ids begin."""
    if hasattr(shown, "by_case"):
        texts = {made.index(c): [m.text for m in said] for c, said in shown.by_case.items() if c in made}
        return shown.complete, texts
    if hasattr(shown, "full"):
        return sorted(made.index(case.id) for case in shown.cases), shown.count, shown.full
    if isinstance(shown, tuple) and shown and hasattr(shown[0], "id"):
        return sorted(made.index(case.id) for case in shown if case.id in made)
    return (shown.status, shown.closed, shown.text) if hasattr(shown, "status") else shown
