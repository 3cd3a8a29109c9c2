"""`alert-test`."""

from __future__ import annotations

import asyncio

import click

from service.alerts.asked import NO_CHANNEL
from service.alerts.sending import try_all
from service.cli import told
from service.cli.opened import tool_settings
from service.cli.told import Ended
from service.clock import SystemClock


def test(*, as_json: bool) -> None:
    settings = tool_settings().alerts
    if not settings.channels and not settings.unset:
        raise Ended(NO_CHANNEL, status=2)
    tried = asyncio.run(try_all(settings, SystemClock().now_ms()))
    for channel, error in tried.items():
        if as_json:
            told.as_json({"channel": channel, "error": error})
        else:
            click.echo(f"{channel}: {told.shown(error) if error else 'taken'}")
    if any(tried.values()):
        raise Ended(status=1)
