"""`top`: the overview live in a terminal, also over ssh; once and plain where there is no terminal."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from service.cli.frame import Picture, Screen, away, frame
from service.cli.opened import tool_settings, with_ledger
from service.clock import SystemClock
from service.domain.errors import LedgerUnavailable
from service.ledger.listing import Wanted
from service.watch import look

if TYPE_CHECKING:
    from service.ledger import Ledger

GROUPS, LATEST = 6, 12
PLAIN_WIDTH = 100
ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
HOME, TO_END_OF_LINE, TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
ENDS = frozenset("qQ\x03\x04")


def top(*, once: bool, every_seconds: float) -> None:
    sources = tuple(tool_settings().sources)
    if once or not sys.stdout.isatty():
        picture = with_ledger(lambda ledger: _picture(ledger, sources))
        width = shutil.get_terminal_size((PLAIN_WIDTH, 0)).columns if sys.stdout.isatty() else PLAIN_WIDTH
        for line in frame(picture, Screen(width, None, colours=_colours(), blocks=_blocks())):
            click.echo(line.rstrip())
        return
    with _terminal():
        with_ledger(lambda ledger: _live(ledger, sources, every_seconds), is_patient=False)


async def _live(ledger: Ledger, sources: Sequence[str], every_seconds: float) -> None:
    loop, woken, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def end() -> None:
        ended.set()
        woken.set()

    def read() -> None:
        keys = os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace")
        if not keys or ENDS & set(keys):
            end()

    loop.add_signal_handler(signal.SIGWINCH, woken.set)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    if sys.stdin.isatty():
        loop.add_reader(sys.stdin.fileno(), read)
    while not ended.is_set():
        woken.clear()
        _draw(await _lines(ledger, sources))
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), every_seconds)


async def _lines(ledger: Ledger, sources: Sequence[str]) -> list[str]:
    size = shutil.get_terminal_size((PLAIN_WIDTH, 24))
    screen = Screen(size.columns, size.lines, colours=_colours(), blocks=_blocks())
    try:
        return frame(await _picture(ledger, sources), screen)
    except LedgerUnavailable:
        return away("Redis is away. What is stored is safe; this goes on by itself. q ends.", screen)


async def _picture(ledger: Ledger, sources: Sequence[str]) -> Picture:
    seen, groups, page = await asyncio.gather(
        look(ledger, SystemClock().now_ms()),
        ledger.failures.largest(GROUPS),
        ledger.listing.page(Wanted(), limit=LATEST),
    )
    return Picture(seen, groups, page.reopens, sources)


def _draw(lines: Sequence[str]) -> None:
    """All in one write, over what stood there: nothing flickers on a slow line."""
    drawn = (TO_END_OF_LINE + "\n").join(lines)
    sys.stdout.write(HOME + drawn + TO_END_OF_LINE + TO_END)
    sys.stdout.flush()


@contextmanager
def _terminal() -> Iterator[None]:
    """A screen of its own and keys without Enter; everything is as it was afterwards, however it ends."""
    import termios  # noqa: PLC0415 - where there is none, there is no terminal to look at either
    import tty  # noqa: PLC0415 - as above

    before = termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
    try:
        if before is not None:
            tty.setcbreak(sys.stdin.fileno())
        sys.stdout.write(ENTER)
        yield
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        if before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _blocks() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()
