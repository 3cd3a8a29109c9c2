"""The master dies under load: what was answered is there, intake goes on, and each reply has one effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import httpx
from redis import Redis

from service.app import create_app
from service.clock import SystemClock
from service.connections import async_client
from service.domain.reopens import Policy, reopen_id
from service.embedded import find_server
from service.ledger import open_ledger
from service.queue import Bells
from service.settings import load
from tests.chaos import stack
from tests.chaos.helpdesk import Helpdesk
from tests.chaos.verdict import judge, waiting
from tests.redises import Node, Watched, endpoint, node, replicates, watched
from tests.running import (
    ROOT,
    Whole,
    account_on,
    environment,
    process,
    reply,
    sandbox,
    served,
    until,
    whole_on,
)

LIMIT_SECONDS = 120.0

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Addresses:
    url: str
    acquire_url: str


async def test_the_master_dies_under_load(tmp_path):
    """With `wait_replicas = 1` nothing that was answered is lost; receiver and worker follow the failover."""
    with watched(find_server(), tmp_path / "redis") as redises, sandbox(tmp_path) as acquire:
        variables = environment(
            tmp_path,
            redises.url,
            config=stack.CONFIG.format(timeout_seconds=stack.TIMEOUT_SECONDS),
            **account_on(acquire),
            CHAOS_SECRET=stack.SECRET,
            REOPENER_ADMIN_TOKEN=stack.ADMIN_TOKEN,
            REOPENER_WAIT_REPLICAS="1",
        )
        app = create_app(load(variables, role="serve", cwd=ROOT), SystemClock())
        with (
            served(app) as url,
            process("-m", "workers", variables=variables, log=tmp_path / "workers.log"),
        ):
            with redises.master().client() as client:
                await happens(lambda: client.scard("rq:workers:reopener"), lambda count: count == 1)
            at = Addresses(url, str(acquire.base_url).rstrip("/"))
            helpdesk = Helpdesk(url, events=400, threads=40, seed=1, spread_seconds=8)
            sending = asyncio.create_task(helpdesk.run())
            await fail_over(redises, helpdesk)
            await sending
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
                await happens(lambda: waiting(http, at), lambda left: left == 0)
            verdict = await judge(at, helpdesk)
            assert verdict.held, verdict


def test_a_stale_replica_takes_over(tmp_path):
    """Without any wait, what the new master never saw is written once more by whoever wrote it: each reply
    that was answered has its one effect, done before the failover or not.
    """
    with (
        node(find_server(), tmp_path / "old") as old,
        node(find_server(), tmp_path / "new") as new,
        endpoint(old) as address,
        whole_on(tmp_path, address.url) as whole,
    ):
        replicates(new, old)
        threads = range(1, 9)
        ids = [deliver(whole, thread, "before") for thread in threads]
        for each in ids:
            whole.until(each, "reopened")
        with new.client() as client:
            client.replicaof("NO", "ONE")  # from here on it lacks what the old one is told
        ids += [deliver(whole, thread, "unseen") for thread in threads]
        for each in ids:
            whole.until(each, "reopened", "appended")
        whole.faults({"kind": "delay", "rate": 1.0, "seconds": 1.0})
        ids += [deliver(whole, thread, "in flight") for thread in threads]
        old.freeze()  # as a machine without power: nobody is told
        address.port_behind = new.port
        whole.faults()
        until(lambda: whole.client.get("/readyz").status_code == 200)
        until(lambda: whole.stats()["accepted"] == len(ids))
        for each in ids:
            whole.until(each, "reopened", "appended")
        said = Counter(message["message"] for case in whole.cases() for message in case["messages"])
        words = {f"{words} {thread}" for words in ("before", "unseen", "in flight") for thread in threads}
        assert {text: said[text] for text in words} == dict.fromkeys(words, 1)
        assert whole.stats()["balanced"]


def deliver(whole: Whole, thread: int, words: str) -> str:
    """A customer's reply in a thread of its own; its reopen's id."""
    body = reply(thread_id=5_000 + thread, ticket_id=f"T{thread}", message=f"{words} {thread}")
    answer = whole.deliver(body, event_id=f"{words.replace(' ', '-')}-{thread}")
    assert answer.status_code == 200
    return answer.json()["reopen_id"]


async def fail_over(redises: Watched, helpdesk: Helpdesk) -> None:
    """Kill the master, and see that its follower has all that was answered and takes what comes."""
    await happens(lambda: len(helpdesk.answered), lambda count: count > 100)
    old = redises.master()
    old.kill()
    new = await happens(redises.master, lambda master: master != old)
    answered = dict(helpdesk.answered)
    assert await forgotten(new, answered) == []
    await happens(lambda: len(helpdesk.answered), lambda count: count > len(answered))


async def forgotten(server: Node, answered: Iterable[str]) -> list[str]:
    """The events that the ledger on this Redis does not know."""
    connection = async_client(server.url)
    ledger = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy())
    try:
        ids = {event_id: reopen_id(stack.SOURCE, event_id) for event_id in answered}
        return [event_id for event_id, each in ids.items() if await ledger.reads.reopen(each) is None]
    finally:
        await connection.aclose()


async def happens(look: Callable[[], Found], holds: Callable[[Found], bool]) -> Found:
    """What `look` answers, as soon as it holds."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            seen = look()
            seen = await seen if asyncio.iscoroutine(seen) else seen
            if holds(seen):
                return seen
            await asyncio.sleep(0.02)
