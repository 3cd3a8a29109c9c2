"""Sending one message through one channel: in a child process, so that whatever a channel does, this service
neither waits for it nor carries the library's memory, and a send that hangs can be ended.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from service.alerts.transitions import Notice
from service.launch import PYTHON

if TYPE_CHECKING:
    from service.settings import AlertSettings, Channel

SEND_SECONDS = 15.0


async def try_all(settings: AlertSettings, now_ms: int) -> dict[str, str | None]:
    """Send a test through every channel; channel -> what went wrong, None where it was taken."""
    notice = Notice(
        id=f"test-{now_ms}",
        state="test",
        slug="test",
        subject="",
        title="alerts reach you here",
        mend="Nothing is wrong: somebody asked for this test.",
        link="/setup",
        at_ms=now_ms,
    )
    errors = await asyncio.gather(*(send(each, notice, settings.dashboard_url) for each in settings.channels))
    tried = {each.name: error for each, error in zip(settings.channels, errors, strict=True)}
    return tried | {name: f"{name} is not set in the environment" for name in settings.unset}


async def send(channel: Channel, notice: Notice, dashboard_url: str) -> str | None:
    """None where the channel took it, else what went wrong, in words without secrets. Never raises."""
    told = {"url": channel.url.reveal(), "notice": asdict(notice), "dashboard_url": dashboard_url}
    command = (*PYTHON, "service.alerts.child", str(int(SEND_SECONDS)))
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return f"no process to send with: {error.strerror}"
    try:
        async with asyncio.timeout(SEND_SECONDS):
            answer, _ = await process.communicate(json.dumps(told).encode())
    except TimeoutError:
        return f"it did not end within {SEND_SECONDS:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _error_of(answer)


def _error_of(answer: bytes) -> str | None:
    try:
        error = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return "the process that sends it ended without an answer"
    return str(error) if error else None
