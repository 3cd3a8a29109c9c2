"""Forgetting a customer: what is left of them in Redis, in the logs, and in the answers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
import redis.asyncio
import redis.exceptions

from service.alerts.watcher import Watcher
from service.clock import SystemClock
from service.domain.errors import Conflict, LedgerUnavailable
from service.domain.ports import Claimed, Write
from service.domain.reopens import Status
from service.domain.threads import Intent, with_intent
from service.forget import Customer, forget
from service.ledger.admission import HalfReply, hashed
from service.ledger.audit import By
from service.ledger.forgetting import Forgetting
from service.settings import load
from tests.edge.alerts.hooked import channels
from tests.edge.customers import ANNA, TRACES, found_in, stage, traces
from tests.edge.intake.spooling import receiving, tried_one
from tests.edge.test_retention import ended, event
from tests.edge.told import refused
from tests.running import ROOT, TOKEN, Site, everything, reply, until

IDS = {name: ANNA[name] for name in ("ticket_id", "contact_id", "thread_id")}
WHOM = ({"contact_id": 8154711}, {"email": " Anna@Example.COM"}, {"ticket_id": "anna-4711"})


@pytest.fixture(autouse=True)
def _sure(monkeypatch):
    monkeypatch.setattr("service.forget.OUTLASTS_SECONDS", 0)


@pytest.mark.parametrize("whom", WHOM)
async def test_nothing_is_left_of_a_customer(site: Site, ledger, caplog, whom):
    """By contact, address or ticket: nothing in Redis tells of them, nor does a line of the log."""
    caplog.set_level(logging.DEBUG)
    await stage(ledger)
    site.api("PUT", "/api/links/support/anna-4711", {"contact_id": 8154711, "thread_id": 770014711})
    told = {"reason": "anna asked for it"}
    again = site.api("POST", "/api/reopens/id-0001/run-again", told).json()
    site.deliver(reply(**{**ANNA, "author": "agent"}), event_id="msg_anna_ignored")
    # It is noted behind its answer.
    until(lambda: site.api("GET", "/api/deliveries?verdict=ignored").json()["deliveries"])
    assert set(traces(site.redis)) == set(TRACES)
    caplog.clear()
    answer = site.api("POST", "/api/forget", whom)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["reopens"], answer.json()["file"]) == (4, "rewriting")
    assert site.api("GET", f"/api/reopens/{again['id']}").status_code == 404
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []
    assert found_in(caplog.text) == []
    stats = site.stats()
    assert stats["balanced"]
    assert (stats["accepted"], stats["removed"]) == (3, 4)
    assert site.reopen("id-0010")["ticket_id"] == "ben-4712"
    assert len(site.api("GET", "/api/reopens", params={"q": "ben"}).json()["reopens"]) == 3
    assert await ledger.requests.one("delivery-1")
    lines, _ = await ledger.audit.latest()
    assert "forget" in [line.what for line in lines]


async def test_all_go_however_many_others_have_the_same_id(site: Site, ledger, monkeypatch):
    """A ticket's reopens of one source are erased among very many of another's with the same id."""
    monkeypatch.setattr("service.ledger.forgetting.AT_ONCE", 4)
    for number in range(24):
        mine = number % 4 == 0
        source = "support" if mine else "second"
        await ledger.admissions.admit(
            [
                event(
                    number, source=source, ticket_id="4711", thread_id=4711, text="heliotrope" if mine else ""
                )
            ]
        )
        if number % 3:
            await ended(ledger, f"id-{number:04}", Status.SKIPPED)
    done = site.api("POST", "/api/forget", {"ticket_id": "4711", "source": "support"})
    assert done.json()["reopens"] == 6
    assert "heliotrope" not in everything(site.redis)
    left = {key.decode().rpartition(":")[2] for key in site.redis.keys("reopener:[rd]:*")}
    assert left == {f"id-{number:04}" for number in range(24) if number % 4}
    assert site.api("POST", "/api/forget", {"ticket_id": "4711"}).json()["reopens"] == 18
    assert site.stats()["accepted"] == 0


@pytest.mark.parametrize("whom", WHOM)
async def test_what_waits_on_a_receivers_disk_does_not_come_back(
    site: Site, ledger, whom, tmp_path, monkeypatch
):
    """Deliveries that came before and wait in a spool are dropped as they come in; later ones are taken."""
    monkeypatch.setattr("service.intake.detour.AGAIN_SECONDS", 0.005)
    await stage(ledger)
    site.api("PUT", "/api/links/support/anna-4711", {"contact_id": 8154711, "thread_id": 770014711})
    told = {**IDS, "source": "support", "text": ANNA["message"], "address": "anna@example.com"}
    told["reopen_id"] = "msganna20"
    by_ticket_alone = {**told, "reopen_id": "msganna21", "contact_id": None, "thread_id": None}
    ben = {
        **told,
        "reopen_id": "benisleft22",
        "ticket_id": "ben",
        "contact_id": 1,
        "address": "ben@example.com",
    }
    async with receiving(ledger, tmp_path) as receiver:
        receiver.way.is_cut = lambda: True
        for number, each in enumerate((told, by_ticket_alone, ben)):
            assert (await tried_one(receiver, event(20 + number, **each))) == "accepted"
        assert site.api("POST", "/api/forget", whom).status_code == 200
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert await tried_one(receiver, event(30, **{**told, "reopen_id": "msganna30"})) == "accepted"
    left = {key.decode().rpartition(":")[2] for key in site.redis.keys("reopener:r:*")}
    assert not {"msganna20", "msganna21"} & left
    assert {"benisleft22", "msganna30"} <= left
    assert all(b"heliotrope" not in each.read_bytes() for each in tmp_path.iterdir())
    site.api("POST", "/api/forget", whom)
    assert {"msganna30"} & {
        key.decode().rpartition(":")[2] for key in site.redis.keys("reopener:r:*")
    } == set()


async def test_a_redis_that_forgot_it_is_told_again(ledger, site: Site, monkeypatch):
    """Where another run of Redis takes over that lacks the last seconds, the customer is erased there too."""
    await stage(ledger)
    site.redis.hdel("reopener:account", "keeps_answers")
    before = {key: site.redis.dump(key) for key in site.redis.keys("reopener:*")}
    runs = iter(("first", "second", "second", "second"))

    async def run_id(_: object) -> str:
        return next(runs)

    waited = []

    async def a_while(seconds: float) -> None:
        if seconds:  # Redis is at its file yet
            await asyncio.sleep(seconds)
            return
        waited.append(seconds)
        if len(waited) == 1:
            site.redis.flushdb()
            for key, value in before.items():
                site.redis.restore(key, 0, value, replace=True)  # the site writes too

    monkeypatch.setattr("service.ledger.account.Account.run_id", run_id)
    settings = load(site.environment, role="serve", cwd=ROOT)
    whom = Customer("contact", "8154711")
    await forget(ledger, settings, whom, by=By("Ops", "command line"), sleep=a_while)
    assert len(waited) == 2
    assert traces(site.redis) == []


async def test_the_other_half_of_a_reply_is_not_waited_for(ledger, site: Site):
    """What would join a reply's two events is erased with them."""
    half = HalfReply("message", hashed("support", "anna-4711"), 1_000_000, 3_600)
    await ledger.admissions.admit([event(40, **IDS, text="Hello", half=half)])
    assert site.redis.keys("reopener:halves:*")
    site.api("POST", "/api/forget", {"contact_id": 8154711})
    assert not site.redis.keys("reopener:halves:*")


async def test_what_was_cut_off_is_finished_by_a_repeat(site: Site, ledger, monkeypatch):
    """Where an attempt begins in the middle of it, the next try finds all that is left of them."""
    await stage(ledger)
    site.deliver(reply(**{**ANNA, "author": "agent"}), event_id="msg_anna_0")
    until(lambda: site.api("GET", "/api/deliveries?verdict=ignored").json()["deliveries"])
    erase, erased = ledger.forgetting.erase, []

    async def once(record, tombstone_ms):
        if erased:
            raise Conflict("an attempt of it is running")
        erased.append(record)
        return await erase(record, tombstone_ms)

    monkeypatch.setattr(Forgetting, "erase", lambda _, *args: once(*args))
    settings = load(site.environment, role="serve", cwd=ROOT)
    customer, by = Customer("email", "anna@example.com"), By("Anna's agent", "api")
    with pytest.raises(Conflict):
        await forget(ledger, settings, customer, by=by)
    monkeypatch.undo()
    await forget(ledger, settings, customer, by=by)
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []


async def test_acquires_words_on_why_it_is_left_alone_go(site: Site, ledger):
    """What Acquire said when it refused the key may be the customer's words: no page shows it any more, and
    no alert had it.
    """
    await stage(ledger)
    told = "no chat for Anna: My heliotrope kettle"
    await ledger.leases.stop_account("credentials_refused", 2**42, told, probes=True)
    assert (await ledger.counts.account(0)).detail == told
    site.client.post("/login", data={"token": TOKEN})
    assert "My heliotrope kettle" in site.client.get("/").text
    await Watcher(ledger, channels("http://127.0.0.1/never-asked"), SystemClock()).evaluate()
    assert b"credentials_refused" in site.redis.hget("reopener:alerts", "doc")
    assert site.api("POST", "/api/forget", {"contact_id": 8154711}).status_code == 200
    account = await ledger.counts.account(0)
    assert (account.why, account.detail) == ("credentials_refused", None)
    assert found_in(everything(site.redis)) == []


async def test_a_redis_that_goes_away_meanwhile_is_said_to_be_away(ledger, connection, monkeypatch):
    """Links are looked through in several questions, and each of them may meet no Redis."""

    async def broken(*_: object, **__: object):
        raise redis.exceptions.ConnectionError

    monkeypatch.setattr(connection, "hscan", broken)
    with pytest.raises(LedgerUnavailable):
        await ledger.forgetting.links("contact", "1", None)


async def test_a_repeat_of_what_was_forgotten_is_a_duplicate(site: Site, ledger):
    """Its helpdesk repeats an event of theirs: it is known, and brings nothing back."""
    await stage(ledger)
    site.api("POST", "/api/forget", {"ticket_id": "anna-4711"})
    (row,) = await ledger.admissions.admit([event(0, ticket_id="anna-4711", text=ANNA["message"])])
    assert (row.verdict, row.status) == ("duplicate", "")
    assert not site.redis.exists("reopener:r:id-0000")


async def test_what_is_being_worked_is_not_forgotten(site: Site, ledger):
    """While a worker holds a thread of theirs, nothing is erased: 409, and once it has ended, all is."""
    await stage(ledger)
    await ledger.admissions.admit(
        [event(7, **{k: ANNA[k] for k in ("ticket_id", "contact_id", "thread_id")})]
    )
    claimed = await ledger.leases.claim("id-0007", bell=None, token="token")
    assert isinstance(claimed, Claimed)
    assert refused(site.api("POST", "/api/forget", {"contact_id": 8154711}), 409) == "conflict"
    assert len(traces(site.redis)) == len(TRACES)
    await ledger.leases.finish(
        claimed.lease, claimed.thread, Write(replace(claimed.reopen, status=Status.SKIPPED))
    )
    assert site.api("POST", "/api/forget", {"contact_id": 8154711}).json()["reopens"] == 4


async def test_what_is_unsettled_stays_as_ids_alone(ledger, site: Site):
    """A call whose outcome nobody knows keeps its thread without a word; one that is only watched goes."""
    await stage(ledger)
    await ledger.admissions.admit([event(7, **IDS, text=ANNA["message"])])
    claimed = await ledger.leases.claim("id-0007", bell=None, token="token")
    thread = claimed.thread
    for attempt, state in ((1, "absent"), (2, "open")):
        intent = Intent(
            "id-0007", attempt, "create", frozenset({1}), "thread", "rx", ANNA["message"], attempt, 9
        )
        thread = with_intent(thread, replace(intent, state=state))
    await ledger.leases.finish(claimed.lease, thread, Write(replace(claimed.reopen, status=Status.DEAD)))
    site.api("POST", "/api/forget", {"contact_id": 8154711})
    kept = (await ledger.reads.thread(770_014_711)).thread
    assert [(each.attempt, each.words) for each in kept.intents] == [(2, None)]
    assert "heliotrope" not in everything(site.redis)


async def test_another_helpdesks_ticket_of_the_same_number_stays(site: Site, ledger):
    """A ticket's number, or a contact's, means another customer elsewhere: their deliveries are kept."""
    agents = reply(author="agent", ticket_id="815")
    for source in ("support", "second"):
        site.deliver(agents, source=source, event_id=f"of-{source}")
    until(lambda: len(_ignored(site)) == 2)
    await _forget(site, {"contact_id": 815})
    assert _ignored(site) == ["second", "support"]
    await _forget(site, {"ticket_id": "815", "source": "support"})
    assert _ignored(site) == ["second"]
    await _forget(site, {"ticket_id": "815"})
    assert _ignored(site) == []


async def _forget(site: Site, whom: dict[str, object]) -> None:
    answer = await asyncio.to_thread(site.api, "POST", "/api/forget", whom)
    assert answer.status_code == 200, answer.text


def _ignored(site: Site) -> list[str]:
    told = site.api("GET", "/api/deliveries?verdict=ignored").json()["deliveries"]
    return sorted(each["source"] for each in told)
