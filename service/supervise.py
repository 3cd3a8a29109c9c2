"""Child processes kept running: one that ends unasked comes back, after pauses that grow if it goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service import tether
from service.clock import Clock
from service.domain.backoff import ceiling_seconds
from service.embedded import EmbeddedRedis, EmbeddedRedisError, Progress
from service.logs import get_logger

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # who ran this long has got over what made it end before

log = get_logger(__name__)


class CannotStart(Exception):
    """A child cannot be started; the message is for a person."""


class Child(Protocol):
    """Something that runs beside us."""

    name: str

    def start(self) -> None:
        """Start it, also anew after it ended. Raises CannotStart."""

    def ended(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    def stop(self) -> None:
        """Ask it to end and wait until it has; by force where it takes too long."""


class Supervisor:
    """Watches children. `look` is called over and over, and does what is due by then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: list[_Watched] = []

    def start(self, child: Child) -> None:
        """Start a child and watch it from now on. Raises CannotStart."""
        child.start()
        self._watched.append(_Watched(child, started_at=self._clock.monotonic()))

    def ended(self) -> list[tuple[str, int]]:
        """Names and exit statuses of the children that are not running now."""
        statuses = [(watched.child.name, watched.child.ended()) for watched in self._watched]
        return [(name, status) for name, status in statuses if status is not None]

    def look(self) -> None:
        """Note who ended, and start again whose pause is over."""
        now = self._clock.monotonic()
        for watched in self._watched:
            status = watched.child.ended()
            if status is None:
                continue
            if watched.start_at is None:
                watched.note_end(now)
                log.warning("child.ended", child=watched.child.name, status=status)
            elif now >= watched.start_at:
                watched.start_again(now)

    def stop(self) -> None:
        """Stop all children, the last started first, each before the next: who is needed stays to the end."""
        while self._watched:
            self._watched.pop().child.stop()


@dataclass(slots=True)
class _Watched:
    child: Child
    started_at: float
    ends_in_a_row: int = 0
    start_at: float | None = None

    def note_end(self, now: float) -> None:
        self.ends_in_a_row = 1 if now - self.started_at >= _STEADY_SECONDS else self.ends_in_a_row + 1
        self.start_at = now + ceiling_seconds(
            self.ends_in_a_row, base_seconds=_FIRST_PAUSE_SECONDS, cap_seconds=_LONGEST_PAUSE_SECONDS
        )

    def start_again(self, now: float) -> None:
        try:
            self.child.start()
        except CannotStart as reason:
            log.warning("child.cannot_start", child=self.child.name, reason=str(reason))
            self.note_end(now)
            return
        self.started_at = now
        self.start_at = None
        log.info("child.started", child=self.child.name)


class Command:
    """A child that is a command line."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        patience_seconds: float,
    ) -> None:
        """`patience_seconds` is how long it may take to stop before it is killed."""
        self.name = name
        self._command = command
        self._env = env
        self._patience_seconds = patience_seconds
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        try:
            self._process = tether.start(self._command, env=self._env)
        except OSError as error:  # no process or memory is left, for now
            raise CannotStart(f"{self.name} does not start: {error.strerror}") from error

    def ended(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            log.warning("child.killed", child=self.name, patience_seconds=self._patience_seconds)
            self._process.kill()
            self._process.wait()


class RedisChild:
    """The embedded Redis as a child. `url` is known once it was started, and is the same after each start."""

    name = "redis"
    url: str

    def __init__(self, data_dir: Path, *, clock: Clock, on_loading: Progress | None = None) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._on_loading = on_loading
        self._server: EmbeddedRedis | None = None

    def start(self) -> None:
        self.stop()
        try:
            self._server = EmbeddedRedis.start(self._data_dir, clock=self._clock, on_loading=self._on_loading)
        except EmbeddedRedisError as error:
            raise CannotStart(str(error)) from error
        except OSError as error:  # no process, memory or disk is left, for now
            raise CannotStart(f"{self.name} does not start: {error}") from error
        self.url = self._server.url

    def ended(self) -> int | None:
        return self._server.exit_status() if self._server else 1

    def stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None
