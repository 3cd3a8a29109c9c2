"""Forgetting a customer: what is left of them in Redis, in the logs, and in the answers."""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from dataclasses import replace

import pytest
from click.testing import CliRunner
from redis import Redis

from service.cli.commands import main
from service.domain.ports import Claimed, Write
from service.domain.reopens import Status
from service.domain.threads import Intent, with_intent
from service.kept import packed
from service.ledger.packing import unpacked_json
from service.ledger.requests import KeptRequest
from service.sources.base import Request
from tests.edge.test_retention import ended, event
from tests.edge.told import refused
from tests.running import Site, everything, reply, until

ANNA = {
    "ticket_id": "anna-4711",
    "contact_id": 815_4711,
    "thread_id": 77_001,
    "message": "My heliotrope kettle",
}
BEN = {"ticket_id": "ben-4712", "contact_id": 815_9999, "thread_id": 77_002, "message": "Ben is here"}
IDS = {name: ANNA[name] for name in ("ticket_id", "contact_id", "thread_id")}
TRACES = ("anna", "8154711", "77001", "heliotrope", "msg_anna")


def traces(server: Redis) -> list[str]:
    """What of Anna is in Redis, packed or not."""
    kept = [server.get(key).decode().rsplit("\0", 1) for key in server.keys("reopener:d:*")]
    raw = [zlib.decompress(server.get(key).split(b"\0", 2)[2]) for key in server.keys("reopener:raw:*")]
    text = everything(server) + "".join(f"{head} {unpacked_json(rest)}" for head, rest in kept) + str(raw)
    return [trace for trace in TRACES if trace in text.lower()]


async def stage(ledger) -> None:
    """Two customers, each with a reopen that is done, one that is dead, and one that is held."""
    for number, (name, who) in enumerate((("anna", ANNA), ("ben", BEN))):
        told = {"ticket_id": who["ticket_id"], "contact_id": who["contact_id"], "thread_id": who["thread_id"]}
        told |= {"text": who["message"], "address": f"{name}@example.com", "body_hash": f"hash-{name}"}
        for place in range(3):
            more = {"held_for": "drift", "detail": "a.b"} if place == 2 else {}
            mine = {"event_id": f"msg_{name}_{place}", "message_key": f"{name}-{place}".encode().hex()}
            await ledger.admissions.admit([event(10 * number + place, **told, **mine, **more)])
        await ended(ledger, f"id-{10 * number:04}", Status.REOPENED, new_case_id=90_000 + number)
        await ended(
            ledger, f"id-{10 * number + 1:04}", Status.DEAD, reason="refused", detail="contact is gone"
        )
        body = json.dumps(who).encode()
        request = Request(method="POST", url="/webhooks/support", headers={}, query={}, body=body)
        kept = KeptRequest(f"delivery-{number}", "support", 1, packed(request))
        await ledger.requests.keep([kept], ttl_ms=60_000)


@pytest.mark.parametrize(
    "whom", [{"contact_id": 8154711}, {"email": " Anna@Example.COM"}, {"ticket_id": "anna-4711"}]
)
async def test_nothing_is_left_of_a_customer(site: Site, ledger, caplog, whom):
    """By contact, address or ticket: nothing in Redis tells of them, nor does a line of the log."""
    caplog.set_level(logging.DEBUG)
    await stage(ledger)
    site.api("PUT", "/api/links/support/anna-4711", {"contact_id": 8154711, "thread_id": 77001})
    told = {"reason": "anna asked for it"}
    again = site.api("POST", "/api/reopens/id-0001/run-again", told).json()
    site.deliver(reply(**{**ANNA, "author": "agent"}), event_id="msg_anna_ignored")
    # It is noted behind its answer.
    until(lambda: site.api("GET", "/api/deliveries?verdict=ignored").json()["deliveries"])
    assert set(traces(site.redis)) == set(TRACES)
    caplog.clear()
    answer = site.api("POST", "/api/forget", whom)
    assert answer.status_code == 200, answer.text
    assert answer.json()["reopens"] == (3 if "email" in whom else 4)
    if "email" in whom:  # what a person started anew has no address: it is found by its ticket
        site.api("POST", "/api/forget", {"ticket_id": "anna-4711"})
    assert site.api("GET", f"/api/reopens/{again['id']}").status_code == 404
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []
    assert not [word for word in TRACES if word in caplog.text.lower()]
    stats = site.stats()
    assert stats["balanced"]
    assert (stats["accepted"], stats["removed"]) == (3, 4)
    assert site.reopen("id-0010")["ticket_id"] == "ben-4712"
    assert len(site.api("GET", "/api/reopens", params={"q": "ben"}).json()["reopens"]) == 3
    assert await ledger.requests.one("delivery-1")
    lines, _ = await ledger.audit.latest()
    assert "forget" in [line.what for line in lines]


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
    kept = (await ledger.reads.thread(77_001)).thread
    assert [(each.attempt, each.words) for each in kept.intents] == [(2, None)]
    assert "heliotrope" not in everything(site.redis)


def test_forget_wants_one_customer(site: Site):
    """None, two, or somebody unreadable is refused with what to mend."""
    for whom in ({}, {"email": "a@example.com", "ticket_id": "1"}, {"contact_id": "x"}, {"mail": "a"}):
        assert site.api("POST", "/api/forget", whom).status_code == 400


async def test_forget_from_a_shell(site: Site, ledger, monkeypatch):
    """`reopener forget` asks first, tells how much there was, and does the same."""
    await stage(ledger)
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    unsure = CliRunner().invoke(main, ["forget", "--ticket", "anna-4711"], input="n\n")
    assert unsure.exit_code == 1
    done = await asyncio.to_thread(
        CliRunner().invoke, main, ["forget", "--ticket", "anna-4711", "--yes", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["reopens"] == 3
    site.redis.delete(*site.redis.keys("rq:*"))
    assert traces(site.redis) == []
