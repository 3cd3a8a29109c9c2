"""Logs: constant event names with ids as fields; JSON lines off a terminal, readable lines on one.

No bodies, no headers, no customer text: what is passed as a field is written.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps
from types import TracebackType
from typing import TextIO, TypeAlias

from service.clock import Clock, SystemClock
from service.json_text import compact_ascii

_Exception: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def get_logger(name: str) -> EventLogger:
    return EventLogger(logging.getLogger(name))


class EventLogger:
    """Writes events like `delivery.accepted`, with keyword fields of any type."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Write an error with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, fields, sys.exc_info())

    def _write(
        self, level: int, event: str, fields: Mapping[str, object], exc_info: _Exception | None = None
    ) -> None:
        # A line for each delivery: it is written straight where nobody but us listens. The logger would also
        # look up its caller's file and line, which nobody is shown, and that costs as much as all the rest.
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        if exc_info is None and _straight is not None and logging.root.handlers == _straight.handlers:
            _straight.write(level, logger.name, event, fields)
            return
        record = logging.LogRecord(logger.name, level, "", 0, event, None, exc_info)
        record.__dict__[_FIELDS] = fields
        logger.handle(record)


def configure(
    stream: TextIO,
    *,
    json: bool | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send all logging of this process to `stream`, also what libraries log; may be called again.

    `json` None means JSON lines unless `stream` is a terminal. Colours are left out where NO_COLOR is set
    to anything (no-color.org) or the terminal is dumb.
    """
    clock = clock or SystemClock()
    on_terminal = stream.isatty()
    formatter: logging.Formatter
    if json or (json is None and not on_terminal):
        formatter = _JsonLines(clock)
    else:
        has_colours = on_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        formatter = _ReadableLines(clock, has_colours=has_colours)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    global _straight  # noqa: PLW0603 - logging is the process' own, and so is this
    _straight = _Straight(handler, formatter) if isinstance(formatter, _JsonLines) else None
    # What no line of ours shows need not be looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class _JsonLines(logging.Formatter):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        traceback = self.formatException(record.exc_info) if record.exc_info else None
        return self.line(record.levelno, record.name, record.getMessage(), _fields(record), traceback)

    def line(
        self,
        level: int,
        logger: str,
        event: str,
        fields: Mapping[str, object],
        traceback: str | None = None,
    ) -> str:
        told = fields if traceback is None else {**fields, "traceback": traceback}
        if not _OWN_NAMES.isdisjoint(told):
            told = {name: value for name, value in told.items() if name not in _OWN_NAMES}
        # ASCII only: no byte of a value can then act on a terminal or break a line.
        written = compact_ascii(told, default=_plain)
        head = _json_head(level, logger, event)
        rest = f",{written[1:]}" if told else "}"
        return f'{{"time":"{_now(self._clock)}",{head}{rest}'


class _Straight:
    """The way of an event's line past the records and handlers of logging, which cost as much as the line."""

    def __init__(self, handler: logging.StreamHandler[TextIO], formatter: _JsonLines) -> None:
        self.handlers = [handler]
        self._handler = handler
        self._line = formatter.line

    def write(self, level: int, logger: str, event: str, fields: Mapping[str, object]) -> None:
        line = self._line(level, logger, event, fields)
        handler = self._handler
        try:
            with handler.lock or nullcontext():
                handler.stream.write(f"{line}\n")
                handler.stream.flush()
        except (OSError, ValueError):
            # A log that takes nothing (a closed pipe, a full disk) is no reason to refuse a delivery.
            return


_straight: _Straight | None = None


@lru_cache(maxsize=256)
def _json_head(level: int, logger: str, event: str) -> str:
    """Level, logger and event: the same few for every line."""
    return compact_ascii({"level": logging.getLevelName(level).lower(), "logger": logger, "event": event})[
        1:-1
    ]


class _ReadableLines(logging.Formatter):
    def __init__(self, clock: Clock, *, has_colours: bool) -> None:
        super().__init__()
        self._clock = clock
        self._has_colours = has_colours

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower():<7}"
        if self._has_colours:
            level = f"{_COLOURS.get(record.levelname, '')}{level}{_COLOUR_OFF}"
        words = [_now(self._clock), level, _printable(record.getMessage())]
        words += [f"{name}={_readable(value)}" for name, value in _fields(record).items()]
        line = " ".join(words)
        if record.exc_info:
            # Indented, so that a line end in an exception's message cannot start a line of the log.
            traceback = self.formatException(record.exc_info).split("\n")
            line += "".join(f"\n    {_printable(part)}" for part in traceback)
        return line


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields: Mapping[str, object] = getattr(record, _FIELDS, {})
    return fields


def _plain(value: object) -> object:
    """Answer the value as JSON holds it; what JSON does not know is written as its `str`."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return _rfc3339(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case _:
            return str(value)


def _readable(value: object) -> str:
    plain = _plain(value)
    text = plain if isinstance(plain, str) else dumps(plain)
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(quoted)}"'


def _printable(text: str) -> str:
    """Escape line ends, terminal codes, marks that turn the reading direction, and half surrogates."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _now(clock: Clock) -> str:
    seconds, ms = divmod(clock.now_ms(), 1000)
    return f"{_to_the_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=2)
def _to_the_second(unix_seconds: int) -> str:
    """The same for all lines of a second."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FIELDS = "reopener_fields"
_OWN_NAMES = frozenset({"time", "level", "logger", "event"})
# httpx writes whole URLs at INFO, RQ the descriptions of jobs, uvicorn.access every request once more.
_TOO_TALKATIVE = ("httpx", "httpcore", "rq", "rq.worker", "uvicorn.access")
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m", "INFO": "\x1b[32m"}
_COLOUR_OFF = "\x1b[0m"
