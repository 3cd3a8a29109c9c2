"""Alerts as they reach people: a real web server, a real mail server."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from service.alerts import sending
from tests.edge.alerts.hooked import SECRET, Hook, channels, notice


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

    async def test_what_is_ended_has_ended(self, hook: Hook, monkeypatch: pytest.MonkeyPatch):
        """A process that is killed over its time is waited for: none of them is left behind as a zombie."""
        started: list[asyncio.subprocess.Process] = []
        start = asyncio.create_subprocess_exec

        async def noted(*command: str, **options: Any) -> asyncio.subprocess.Process:
            started.append(await start(*command, **options))
            return started[-1]

        monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
        monkeypatch.setattr(sending, "SEND_SECONDS", 0.01)
        (channel,) = channels(hook.address).channels
        assert "did not end" in (await sending.send(channel, notice(), "") or "")
        assert [each.returncode for each in started] == [-signal.SIGKILL]

    async def test_no_service_has_this_address(self):
        """An address that apprise does not know is told so."""
        (channel,) = channels("unheard-of://somewhere").channels
        assert "apprise knows no service" in (await sending.send(channel, notice(), "") or "")


class Inbox:
    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.mails.append(envelope.content.decode())
        return "250 OK"
