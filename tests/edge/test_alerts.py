"""Alerts as they reach people: a real web server, a real mail server, several watchers, and deaths."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redis.asyncio
from aiosmtpd.smtp import SMTP
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service import openapi
from service.alerts import sending
from service.alerts.transitions import Notice
from service.alerts.watcher import Watcher
from service.check.findings import judge_settings
from service.clock import SystemClock
from service.domain.reopens import Policy
from service.intake.spool import SpoolState
from service.ledger import Ledger, open_ledger
from service.ledger.alerts import MOST_TRIES
from service.queue import Bells
from service.settings import AlertSettings, Channel, Secret, SettingsError, load
from tests.edge.test_door import HandClock
from tests.edge.told import faults
from tests.running import CONFIG, ROOT, TOKEN, VIEWER_TOKEN, environment, process, served, site_on, until

SECRET = "opens-the-channel-0123456789"
WORKER = "rq:worker:made-up"
PENDING = {"slug": "no_worker", "subject": "", "title": "t", "mend": "m", "link": "/"}
PENDING |= {"state": "pending", "since_ms": 1}


@dataclass(slots=True)
class Hook:
    """A web server that takes messages, refuses them, or says nothing for long."""

    address: str = ""
    mode: str = "take"
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    refused: int = 0

    async def post(self, request: Request) -> Response:
        self.asked += 1
        while self.mode == "hang":  # noqa: ASYNC110 - a test in another loop changes it
            await asyncio.sleep(0.05)
        if self.mode == "refuse":
            self.refused += 1
            return JSONResponse({"token": SECRET}, status_code=500)
        self.taken.append(await request.json())
        return Response(status_code=204)


@pytest.fixture
def hook() -> Iterator[Hook]:
    told = Hook()
    with served(Starlette(routes=[Route("/hook/{secret}", told.post, methods=["POST"])])) as origin:
        told.address = f"{origin}/hook/{SECRET}"
        yield told


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("reopener:account", "keeps_answers", "1")
        yield client


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    connection = redis.asyncio.Redis.from_url(redis_url)
    yield open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
    await connection.aclose()


def channels(*addresses: str) -> AlertSettings:
    named = [Channel(f"ALERTS_{number}", Secret(each)) for number, each in enumerate(addresses)]
    return AlertSettings(tuple(named), dashboard_url="https://reopener.example.com")


def notice(**more: object) -> Notice:
    told = {"id": "died-1-firing", "state": "firing", "slug": "died", "subject": "", "title": "2 died"}
    return Notice(**{**told, "mend": "Retry them.", "link": "/reopens?status=dead", "at_ms": 0, **more})


async def until_async(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - it is another process that makes it so
            await asyncio.sleep(0.02)


class TestWatching:
    async def test_of_several_processes_one_tells_once(self, ledger: Ledger, server, hook: Hook):
        """However many receivers watch: one message when it begins, one when it is over, in order."""
        clock = HandClock()
        watchers = [Watcher(ledger, channels(hook.address), clock, tick_seconds=0.05) for _ in range(3)]
        for each in watchers:
            each.start()
        await until_async(lambda: b"pending" in (server.hget("reopener:alerts", "doc") or b""))
        clock.moment += timedelta(seconds=31)
        await until_async(lambda: hook.taken)
        server.sadd("rq:workers:reopener", WORKER)
        server.hset(WORKER, "birth", "now")
        await until_async(lambda: b"clearing" in server.hget("reopener:alerts", "doc"))
        clock.moment += timedelta(seconds=61)
        await until_async(lambda: len(hook.taken) == 2)
        for each in watchers:
            await each.stop()
        told = [(each["slug"], each["state"], each["type"]) for each in hook.taken]
        assert told == [("no_worker", "firing", "failure"), ("no_worker", "resolved", "success")]
        assert "https://reopener.example.com/" in hook.taken[0]["message"]
        assert hook.asked == 2
        assert server.hget("reopener:alerts", "doc") == b"{}"

    async def test_who_follows_a_dead_sender(self, ledger: Ledger, server, hook: Hook):
        """A message that its sender died with is sent by the next one half a minute later, once."""
        await ledger.alerts.change(0, "{}", [notice().text()], ["ALERTS_0"])
        assert await ledger.alerts.take("ALERTS_0") is not None  # and nothing more is heard of who took it
        settings = channels(hook.address)
        watcher = Watcher(ledger, settings, SystemClock())
        await watcher.deliver(settings.channels[0])
        assert hook.taken == []
        held_ms = int(server.hget("reopener:alerts", "hold:ALERTS_0"))
        assert 0 < held_ms - int(server.time()[0]) * 1000 <= 31_000
        server.hset("reopener:alerts", "hold:ALERTS_0", "0")
        await watcher.deliver(settings.channels[0])
        await watcher.deliver(settings.channels[0])
        assert [each["id"] for each in hook.taken] == ["died-1-firing"]

    async def test_every_receiver_tells_of_its_disk(self, ledger: Ledger, server):
        """Whose turn it is, knows what Redis refuses on another's disk, while that one still tells so."""
        clock, told = HandClock(), []

        async def send(_: Channel, what: Notice) -> str | None:
            told.append((what.slug, what.state))
            return None

        settings = channels("http://127.0.0.1/never-asked")
        state = SpoolState(deliveries=1, oldest_ms=1, refused=1, bytes=1, limit_bytes=2)
        one = Watcher(ledger, settings, clock, spool=lambda: state, sending=send)
        other = Watcher(ledger, settings, clock, sending=send)
        server.set("reopener:alerts:turn", "the other's")
        await one.evaluate()
        for minutes in (0, 2, 2):
            clock.moment += timedelta(minutes=minutes)
            server.delete("reopener:alerts:turn")
            await other.evaluate()
            await other.deliver(settings.channels[0])
        assert [each for each in told if each[0] == "spool_refused"] == [
            ("spool_refused", "firing"),
            ("spool_refused", "resolved"),
        ]

    async def test_a_transition_and_its_message_are_one(self, ledger: Ledger, server):
        """Who decided from what was known before somebody else changed it, neither notes nor sends."""
        assert await ledger.alerts.change(0, '{"a": 1}', [notice().text()], ["ALERTS_0"])
        assert not await ledger.alerts.change(0, '{"b": 1}', [notice(id="other").text()], ["ALERTS_0"])
        assert await ledger.alerts.known() == (1, '{"a": 1}')
        assert server.llen("reopener:alerts:out:ALERTS_0") == 1

    async def test_nobody_tries_for_ever(self, ledger: Ledger, server):
        """A message that is refused again and again is given up, told so, and the next one goes on."""
        asked: list[str] = []

        async def send(_: Channel, what: Notice) -> str | None:
            asked.append(what.id)
            return "no" if what.id != "next" else None

        settings = channels("http://127.0.0.1/never-asked")
        watcher = Watcher(ledger, settings, SystemClock(), sending=send)
        both = [notice().text(), notice(id="next", title="next").text()]
        await ledger.alerts.change(0, "{}", both, ["ALERTS_0"])
        for _ in range(MOST_TRIES):
            await watcher.deliver(settings.channels[0])
            server.hset("reopener:alerts", "hold:ALERTS_0", "0")
        assert asked == ["died-1-firing"] * MOST_TRIES
        await watcher.deliver(settings.channels[0])
        assert asked[MOST_TRIES:] == ["next"]
        latest = await ledger.alerts.latest()
        assert [(each.title, each.error is None) for each in latest[:2]] == [
            ("next", True),
            ("2 died", False),
        ]
        assert latest[1].error == "given up"

    async def test_a_channel_that_fails_keeps_no_other_waiting(self, ledger: Ledger, server, hook: Hook):
        """Each channel has its own line: where one is refused, the other has its message once."""
        settings = channels("http://127.0.0.1:1/nobody", hook.address)
        watcher = Watcher(ledger, settings, SystemClock())
        await ledger.alerts.change(0, "{}", [notice().text()], ["ALERTS_0", "ALERTS_1"])
        for channel in settings.channels:
            await watcher.deliver(channel)
        assert len(hook.taken) == 1
        assert server.llen("reopener:alerts:out:ALERTS_0") == 1
        assert server.llen("reopener:alerts:out:ALERTS_1") == 0


class TestSending:
    async def test_a_mail(self):
        """A mail server gets a mail with what is wrong, what to do, and where."""
        inbox = Inbox()
        listening = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        address = f"mailto://127.0.0.1:{port}?from=reopener@example.com&to=ops@example.com&mode=insecure"
        (channel,) = channels(address).channels
        assert await sending.send(channel, notice(), "https://reopener.example.com") is None
        listening.close()
        (mail,) = inbox.mails
        assert "ops@example.com" in mail
        assert re.search("Subject: .*Reopener: 2 died", mail)
        assert "Retry them." in mail
        assert "https://reopener.example.com/reopens?status=3Ddead" in mail or "reopens?status=dead" in mail

    async def test_a_refusal_shows_no_secret(self, hook: Hook):
        """What went wrong is told in words in which no part of the address stands."""
        hook.mode = "refuse"
        (channel,) = channels(hook.address).channels
        error = await sending.send(channel, notice(), "")
        assert error
        assert "500" in error
        assert SECRET not in error
        assert SECRET not in repr(channel)

    async def test_what_hangs_is_ended(self, hook: Hook, monkeypatch: pytest.MonkeyPatch):
        """A channel that never answers costs its time and nothing else: this loop goes on meanwhile."""
        hook.mode = "hang"
        monkeypatch.setattr(sending, "SEND_SECONDS", 2.0)
        (channel,) = channels(hook.address).channels
        sent, ticks = asyncio.create_task(sending.send(channel, notice(), "")), 0
        while not sent.done():
            await asyncio.sleep(0.05)
            ticks += 1
        assert ticks > 10
        hook.mode = "take"
        assert "did not end" in (sent.result() or "")

    async def test_no_service_has_this_address(self):
        """An address that apprise does not know is told so."""
        (channel,) = channels("unheard-of://somewhere").channels
        assert "apprise knows no service" in (await sending.send(channel, notice(), "") or "")


class TestTrying:
    def test_over_the_api_and_on_the_page(self, tmp_path: Path, redis_url: str, hook: Hook):
        """A test goes through every channel, on request of an admin alone; addresses show nowhere."""
        with site_with(tmp_path, redis_url, hook) as (site, _):
            viewer = {"authorization": f"Bearer {VIEWER_TOKEN}"}
            assert site.client.post("/api/alerts/test", headers=viewer).status_code == 403
            told = site.api("POST", "/api/alerts/test").json()
            assert told == {"results": [{"channel": "ALERTS_HOOK", "error": None}]}
            assert hook.taken[0]["state"] == "test"
            with httpx.Client(base_url=site.origin, trust_env=False, follow_redirects=True) as people:
                people.post("/login", data={"token": TOKEN})
                page = people.get("/setup").text
                csrf = re.search('name="csrf_token" value="([^"]+)"', page)
                assert "ALERTS_HOOK" in page
                hook.mode = "refuse"
                answer = people.post("/alerts/test", data={"csrf_token": csrf[1]}).text
                assert people.post("/alerts/test").status_code == 403
            assert "500" in answer
            assert SECRET not in page + answer
            assert len(hook.taken) == 1
            entries = site.redis.xrange("reopener:audit")
            assert [entry[b"what"] for _, entry in entries] == [b"test alerts"] * 2

    def test_in_a_shell(self, tmp_path: Path, redis_url: str, hook: Hook):
        """`reopener alert-test` says what came of each channel; exit status 1 where one did not take it."""
        variables = configured(tmp_path, redis_url, hook)
        assert shell(variables) == (0, "ALERTS_HOOK: taken\n")
        hook.mode = "refuse"
        status, told = shell(variables)
        assert status == 1
        assert "500" in told
        assert SECRET not in told
        del variables["ALERTS_HOOK"]
        assert shell(variables) == (1, "ALERTS_HOOK: ALERTS_HOOK is not set in the environment\n")
        assert shell(environment(tmp_path, redis_url))[0] == 2

    def test_a_receiver_tells_by_itself(self, tmp_path: Path, redis_url: str, server, hook: Hook):
        """A running receiver finds what is wrong and tells it."""
        server.hset("reopener:alerts", "doc", json.dumps({"no_worker:": PENDING}))
        with site_with(tmp_path, redis_url, hook) as (site, _):
            until(lambda: hook.taken)
            assert hook.taken[0]["slug"] == "no_worker"
            (sending,) = until(lambda: site.api("GET", "/api/alerts").json()["sendings"])
            told = site.api("GET", "/api/alerts").json()
        assert (sending["channel"], sending["state"], sending["error"]) == ("ALERTS_HOOK", "firing", None)
        assert told["channels"] == ["ALERTS_HOOK"]
        assert [each["slug"] for each in told["firing"]] == ["no_worker"]
        schemas = openapi.DOCUMENT["components"]["schemas"]
        assert faults(told, schemas["Alerts"], schemas) == []

    def test_a_receiver_is_killed_while_it_tells(self, tmp_path: Path, redis_url: str, server, hook: Hook):
        """Killed with a message in hand, it is followed by another receiver, which tells the same once."""
        hook.mode = "hang"
        server.hset("reopener:alerts", "doc", json.dumps({"no_worker:": PENDING}))
        variables = configured(tmp_path, redis_url, hook) | {"REOPENER_PORT": "0"}
        with process("-m", "service", "serve", variables=variables, log=tmp_path / "first.log") as first:
            until(lambda: hook.asked)
            first.kill()
            first.wait()
        hook.mode = "refuse"  # what its child process still has in hand
        until(lambda: hook.refused)
        assert until(lambda: int(server.hget("reopener:alerts", "hold:ALERTS_HOOK")))
        server.hset("reopener:alerts", "hold:ALERTS_HOOK", "0")
        hook.mode = "take"
        with process("-m", "service", "serve", variables=variables, log=tmp_path / "second.log"):
            until(lambda: server.lrange("reopener:alerts:log", 0, -1))
        assert [(each["slug"], each["state"]) for each in hook.taken] == [("no_worker", "firing")]
        assert not server.exists("reopener:alerts:out:ALERTS_HOOK")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('url_envs = ["https://hooks.example.com/secret"]', "not the address itself"),
        ('url_envs = "ALERTS_HOOK"', "must be a list"),
        ('url_envs = ["ALERTS_HOOK", "ALERTS_HOOK"]', "names the same variable again"),
        ('url_envs = ["ALERTS_UNSET"]', "ALERTS_UNSET is not set"),
        ('url_envs = ["ALERTS_BAD"]', "ALERTS_BAD: must be an address"),
        ('dashboard_url = "reopener.example.com"', "must be this dashboard's address"),
        ('urls = ["ALERTS_HOOK"]', "unknown key"),
    ],
)
def test_settings_say_what_to_mend(tmp_path: Path, table: str, fault: str):
    """A mistake in [alerts] is told by its key, never with an address."""
    more = {"ALERTS_HOOK": "https://example.com/x", "ALERTS_BAD": f"no-address {SECRET}"}
    variables = environment(tmp_path, "redis://localhost", config=f"{CONFIG}\n[alerts]\n{table}", **more)
    with pytest.raises(SettingsError) as told:
        load(variables, role="serve", cwd=ROOT)
    assert fault in str(told.value)
    assert "secret" not in str(told.value).replace("it holds a secret", "")
    assert SECRET not in str(told.value)


def test_check_finds_a_channel_that_is_not_set(tmp_path: Path):
    """`reopener check` names the variable that nobody is told through."""
    config = f'{CONFIG}\n[alerts]\nurl_envs = ["ALERTS_UNSET"]\n'
    settings = load(environment(tmp_path, "redis://localhost", config=config), role="tool", cwd=ROOT)
    (found,) = [each for each in judge_settings(settings) if each.code == "alert_channel_unset"]
    assert "ALERTS_UNSET" in found.message


class Inbox:
    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.mails.append(envelope.content.decode())
        return "250 OK"


def configured(folder: Path, redis_url: str, hook: Hook) -> dict[str, str]:
    config = f'{CONFIG}\n[alerts]\nurl_envs = ["ALERTS_HOOK"]\n'
    return environment(folder, redis_url, config=config, ALERTS_HOOK=hook.address)


@contextmanager
def site_with(folder: Path, redis_url: str, hook: Hook) -> Iterator[tuple[Any, Hook]]:
    with site_on(configured(folder, redis_url, hook)) as site:
        yield site, hook


def shell(variables: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "service", "alert-test"]
    ended = subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    return ended.returncode, ended.stdout
