"""Exports, and what becomes of them in another Redis."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis.asyncio
from click.testing import CliRunner, Result
from redis import Redis

from service.cli.commands import main
from service.clock import SystemClock
from service.domain.reopens import Policy, Status
from service.embedded import EmbeddedRedis
from service.ledger import Ledger, open_ledger
from service.ledger.audit import By
from service.ledger.links import Link
from service.ledger.listing import Wanted
from service.ledger.retention import Terms
from service.queue import Bells
from tests.edge.test_archive import ATTEMPT
from tests.edge.test_retention import DAY_MS, age, ended, event, keep
from tests.running import Site, site_on


async def cli(site: Site, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def stage(ledger) -> None:
    """Some of every kind of end, with words, a link, repeats, an alias, and one that waits."""
    await ledger.admissions.admit(
        [event(n, address="anna@example.com", message_key=f"m{n}") for n in range(5)]
    )
    await ended(
        ledger, "id-0000", Status.REOPENED, cases=(1_694, 1_700), new_case_id=1_694, attempts=(ATTEMPT,)
    )
    await ended(ledger, "id-0001", Status.DEAD, reason="refused", detail="contact is gone")
    await ended(ledger, "id-0002", Status.SKIPPED, reason="case_open", new_case_id=1_800)
    await ledger.verbs.cancel("id-0003", by=By("Anna", "api", "not needed"))
    await ledger.admissions.admit([event(0, delivery_id="again", body_hash="other")])
    await ledger.admissions.admit([event(7, thread_id=None, contact_id=None, held_for="contact_unknown")])
    await ledger.verbs.link("support", "t2", Link(7_002, 1_002))


def seen(site: Site) -> dict[str, object]:
    """What people and programs see of what has ended."""
    paths = ("/api/reopens?limit=200", "/api/threads/1000", "/api/threads/1700", "/api/threads/1001")
    told = {
        path: site.api("GET", path).json() for path in (*paths, "/api/deliveries", "/api/links/support/t2")
    }
    told["reopens"] = [each for each in told.pop(paths[0])["reopens"] if each["status"] != "queued"]
    for query in ("t0", "1694", "id-", "event-1"):
        found = site.api("GET", "/api/reopens", params={"q": query}).json()["reopens"]
        told[query] = [each["id"] for each in found if each["status"] != "queued"]
    return told


async def test_an_export_is_the_same_elsewhere(site: Site, ledger, monkeypatch, tmp_path: Path):
    """Taken in by an empty Redis, an export gives the same reopens, threads, links, deliveries and books."""
    await stage(ledger)
    before = seen(site)
    exported = await cli(site, monkeypatch, "export")
    assert exported.exit_code == 0, exported.output
    file = tmp_path / "all.jsonl"
    file.write_text(exported.stdout, "utf-8")
    other = await asyncio.to_thread(EmbeddedRedis.start, tmp_path / "other", clock=SystemClock())
    try:
        with site_on({**site.environment, "REDIS_URL": other.url}) as elsewhere:
            taken = await cli(elsewhere, monkeypatch, "import", str(file), "--json")
            assert taken.exit_code == 0, taken.output
            told = json.loads(taken.stdout)
            assert (told["reopens"], told["known"], told["waiting"]) == (5, 0, 1)
            assert seen(elsewhere) == before
            stats = elsewhere.stats()
            assert stats["balanced"]
            assert stats["accepted"] == 5
            again = await cli(elsewhere, monkeypatch, "import", str(file), "--json")
            assert json.loads(again.stdout) == dict.fromkeys(told, 0) | {"known": 5, "waiting": 1}
            assert seen(elsewhere) == before
            # It goes on as before: known events are known, what was held waits for its link.
            assert elsewhere.api("POST", "/api/reopens/id-0001/retry").json()["status"] == "queued"
            released = elsewhere.api("PUT", "/api/links/support/t7", {"contact_id": 1, "thread_id": 2}).json()
            assert released["released"] == 1
            erased = elsewhere.api("POST", "/api/forget", {"email": "anna@example.com"}).json()
            assert erased["reopens"] == 4
            assert elsewhere.stats()["balanced"]
    finally:
        other.stop()


async def test_an_export_is_in_utf8(site: Site, ledger):
    """So it reads back, also where a terminal speaks something else."""
    await ledger.admissions.admit([event(1, text="Größe 😀")])
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "export"),
        env={**site.environment, "PYTHONIOENCODING": "latin-1"},
        stdout=subprocess.PIPE,
    )
    out, _ = await run.communicate()
    assert "Größe 😀" in out.decode("utf-8")


async def test_an_export_is_of_a_period(site: Site, ledger, monkeypatch):
    """`--from`, `--to`, `--status` and `--source` narrow it."""
    await stage(ledger)

    async def ids(*arguments: str) -> list[str]:
        exported = await cli(site, monkeypatch, "export", *arguments)
        assert exported.exit_code == 0
        told = [json.loads(line) for line in exported.stdout.splitlines()]
        return [line["reopen"]["id"] for line in told if line["kind"] == "reopen"]

    assert await ids("--status", "dead") == ["id-0001"]
    assert await ids("--source", "second") == []
    assert await ids("--to", "2020-01-01") == []
    assert len(await ids("--from", "2020-01-01T00:00:00Z")) == 6
    assert len(await ids("--from", "0001-01-01")) == 6
    assert await ids("--from", "1960-01-01", "--to", "1970-01-01") == []
    nothing = await cli(site, monkeypatch, "export", "--from", "2020-02-01", "--to", "2020-01-01")
    assert (nothing.exit_code, "--to must be later" in nothing.stderr) == (2, True)


@pytest.fixture
async def elsewhere(redis_url: str):
    """Another database of the same Redis."""
    async with redis.asyncio.Redis.from_url(redis_url, db=1) as connection:
        yield connection


async def test_any_period_reads_back(ledger: Ledger, redis_url: str, elsewhere: redis.asyncio.Redis):
    """Whatever period is exported, elsewhere there are its reopens and no others, the same and in the same
    order, found by the same ids; and retention leaves nothing of them there.
    """
    server = Redis.from_url(redis_url, decode_responses=True, encoding_errors="surrogateescape")
    ids = [f"id-{number:04}" for number in range(30)]
    for number, reopen_id in enumerate(ids):
        words = {"text": f"Words of {number}", "message_key": f"m{number}", "thread_id": 1_000 + number % 9}
        await ledger.admissions.admit([event(number, **words)])
        done = {"new_case_id": 5_000 + number, "text": None, "text_dropped": True, "attempts": (ATTEMPT,)}
        if number % 5:
            await ended(ledger, reopen_id, Status.REOPENED, cases=(5_000 + number,), **done)
        else:
            await ended(ledger, reopen_id, Status.DEAD, reason="refused", detail="contact is gone")
        age(server, 30 - number, reopen_id)
    now_ms = SystemClock().now_ms()
    other = open_ledger(elsewhere, Bells(Redis()), SystemClock(), policy=Policy())
    for first, last in ((0, 30), (3, 9), (0, 1), (10, 11), (17, 30), (12, 12)):
        await elsewhere.flushdb()
        since_ms, until_ms = (now_ms - round((30 - day) * DAY_MS + DAY_MS / 2) for day in (first, last))
        wanted = Wanted(since_ms=since_ms, until_ms=until_ms)
        lines = [line async for line, _ in ledger.copies.lines(wanted)]
        assert (await other.copies.take_in(lines)).reopens == last - first
        expected = [record async for record in ledger.listing.all(wanted)]
        assert [record.id for record in expected] == ids[first:last][::-1]
        assert [record async for record in other.listing.all(Wanted())] == expected
        for number in range(first, last):
            found = (await other.listing.page(Wanted(prefix=f"t{number}"))).reopens
            assert ids[number] in [record.id for record in found]
            assert (await other.reads.reopen(ids[number])).text == (
                None if number % 5 else f"Words of {number}"
            )
        stats = await other.counts.stats(now_ms)
        assert (stats.balanced, stats.accepted) == (True, last - first)
        await keep(other, Terms(0, 0))
        left = {key.decode().split(":")[1] for key in await elsewhere.keys("reopener:*")}
        assert left & {"r", "d", "t", "alias", "is", "find", "tree", "leaf", "failures", "failure"} == set()


async def test_two_ledgers_become_one(ledger: Ledger, elsewhere: redis.asyncio.Redis):
    """Beside reopens of its own an export is all there: pages leave out none, and its customers are found by
    their address, here and where this one is taken in.
    """
    await elsewhere.flushdb()
    await elsewhere.set("reopener:salt", "of another Redis")
    other = open_ledger(elsewhere, Bells(Redis()), SystemClock(), policy=Policy())
    for each, first, who in ((ledger, 0, "ben"), (other, 10, "anna")):
        for number in range(first, first + 5 + first // 5):
            await each.admissions.admit([event(number, address=f"{who}@example.com")])
            status = Status.DEAD if number % 2 else Status.REOPENED
            await ended(each, f"id-{number:04}", status, new_case_id=5_000 + number)
    for one, into in ((other, ledger), (ledger, other)):
        lines = json.loads(json.dumps([line async for line, _ in one.copies.lines(Wanted())]))
        await into.copies.take_in(lines)
        shown, cursor = [], None
        while True:
            page = await into.listing.page(Wanted(), cursor=cursor, limit=1)
            shown += [reopen.id for reopen in page.reopens]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(shown) == [f"id-{number:04}" for number in (*range(5), *range(10, 17))]
        for who, count in (("ben", 5), ("anna", 7)):
            found = [each async for each in into.forgetting.reopens("email", f"{who}@example.com", None)]
            assert len([reopen for batch in found for reopen in batch]) == count
    await ledger.admissions.admit([event(20)])
    assert (await ledger.listing.page(Wanted(), limit=1)).reopens[0].id == "id-0020"


async def test_what_is_no_export_is_refused(site: Site, monkeypatch, tmp_path: Path):
    """A file that is none says what is wrong with it, and changes nothing."""
    begun = '{"kind": "export", "version": 1, "salt": ""}\n'
    for content, words in (
        ('{"kind": "reopen"}\n', "first line"),
        ("no json\n", "line 1 is no JSON"),
        ('{"kind": "export"}\n', "line 1 is not as"),
        (begun + '{"kind": "reopen"}\n', "line 2 is not as"),
        (begun + '{"kind": "reopen", "record": {"position": "x"}}\n', "line 2 is not as"),
        (begun + '{"kind": "reopen", "record": []}\n', "line 2 is not as"),
        (
            begun + '{"kind": "thread", "id": 7, "fields": {"doc": "{}"}, "aliases": null}\n',
            "line 2 is not as",
        ),
        (begun + '{"kind": "thread", "id": 7, "fields": {}, "aliases": []}\n', "line 2 is not as"),
        (begun + '{"id": 1}\n', "line 2 is not as"),
    ):
        file = tmp_path / "some.jsonl"
        file.write_text(content, "utf-8")
        refused = await cli(site, monkeypatch, "import", str(file))
        assert refused.exit_code == 2
        assert words in refused.output
    assert site.stats()["accepted"] == 0
