"""`reopener top` in a terminal of its own: what it shows, that it fits, follows, and leaves no trace."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from service.embedded import EmbeddedRedis
from tests.running import ROOT, WAIT_SECONDS, Site, reply

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BACK = "\x1b[?25h\x1b[?1049l"


@dataclass(slots=True)
class Terminal:
    """A pseudo terminal with the command in it, seen as a person sees it."""

    process: subprocess.Popen[bytes]
    master: int
    said: str = field(default="")

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """The lines of the first whole picture for which this holds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            pictures = self.said.split("\x1b[H")[1:]
            for picture in pictures:
                lines = ESCAPE.sub("", picture).split("\r\n")
                if picture.endswith("\x1b[J") and holds(lines):
                    return lines
            self.said = self.said[self.said.rfind("\x1b[H") :] if pictures else self.said
            assert time.monotonic() < deadline, self.said
            self.read()

    def read(self) -> None:
        if select.select([self.master], [], [], 0.1)[0]:
            try:
                self.said += os.read(self.master, 65_536).decode()
            except OSError:  # the other end is closed
                time.sleep(0.01)

    def end(self) -> int:
        """Read until it has ended; its exit status."""
        while self.process.poll() is None:
            self.read()
        self.read()
        return self.process.returncode


@pytest.fixture
def opened(site: Site) -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []

    def open_terminal(columns: int, rows: int, **variables: str) -> Terminal:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "top", "--every", "0.2"],
            cwd=ROOT,
            env={**site.environment, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **variables},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        terminals.append(Terminal(process, master))
        os.close(slave)
        return terminals[-1]

    yield open_terminal
    for terminal in terminals:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)


def test_it_follows_fits_and_leaves(site: Site, opened: Callable[..., Terminal]):
    """News show by themselves, a picture is never larger than the terminal, and q gives the screen back."""
    terminal = opened(120, 40)
    terminal.until(lambda lines: any("No worker is running" in line for line in lines))
    site.deliver(reply(ticket_id="47\x1b[2J11"))
    lines = terminal.until(lambda lines: any("1 accepted = " in line for line in lines))
    assert any("queued" in line and "ticket 47 [2J11" in line for line in lines)
    terminal.resize(60, 9)
    small = terminal.until(lambda lines: len(lines) <= 9)
    assert max(map(len, small)) <= 60
    assert "No worker is running" in small[1]
    terminal.resize(200, 60)
    terminal.until(lambda lines: len(lines) > 15 and max(map(len, lines)) > 150)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    assert terminal.said.endswith(BACK)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_screen_back(opened: Callable[..., Terminal], number: int):
    """However it is ended, the terminal is as it was."""
    terminal = opened(80, 24, NO_COLOR="1")
    before = termios.tcgetattr(terminal.master)
    terminal.until(lambda lines: len(lines) > 5)
    assert "\x1b[31m" not in terminal.said
    terminal.process.send_signal(number)
    assert terminal.end() == 0
    assert terminal.said.endswith(BACK)
    assert termios.tcgetattr(terminal.master)[3] == before[3]


def test_once_and_without_a_terminal(site: Site):
    """Without a terminal, or asked so, it prints one plain picture and ends; in ASCII where that is all."""
    site.deliver(reply(contact_id=None, thread_id=None, ticket_id="日本語"))
    for variables in ({"PYTHONIOENCODING": "utf-8"}, {"PYTHONIOENCODING": "ascii"}):
        ended = subprocess.run(
            [sys.executable, "-m", "service", "top", "--once"],
            cwd=ROOT,
            env={**site.environment, **variables},
            capture_output=True,
            check=True,
            timeout=60,
        )
        told = ended.stdout.decode(variables["PYTHONIOENCODING"])
        assert "\x1b" not in told
        assert "No worker is running" in told
        assert "1 accepted = 0 reopened + 0 appended + 0 skipped + 0 dead + 0 cancelled + 1 held" in told
        assert "contact unknown" in told
        assert "support" in told
        assert max(map(len, told.splitlines())) <= 100


def test_redis_goes_away(redis_server: EmbeddedRedis, opened: Callable[..., Terminal]):
    """Where nothing can be told that is what it shows, and it goes on by itself."""
    terminal = opened(100, 30)
    terminal.until(lambda lines: len(lines) > 5)
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        terminal.until(lambda lines: "Redis is away" in lines[0])
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    terminal.until(lambda lines: len(lines) > 5)


def test_no_redis_is_said(tmp_path):
    """Where there is no Redis to ask, it says so and touches no terminal."""
    ended = subprocess.run(
        [sys.executable, "-m", "service", "top"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "no Redis" in ended.stderr
    assert not ended.stdout
