"""Logs: one line per event, the same fields in both forms, and nothing that forges or leaks."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.logs import configure, get_logger
from service.settings import Secret

NOW = datetime(2026, 11, 23, 10, 0, 0, 123_456, tzinfo=UTC)
ESCAPE = "\x1b"


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def now_ms(self) -> int:
        return int(NOW.timestamp() * 1000)

    def monotonic(self) -> float:
        raise NotImplementedError

    def boottime(self) -> float:
        raise NotImplementedError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_restored():
    """Leave the process' logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "rq", "rq.worker")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def written():
    """Configure logging for a stream, run what logs, and answer what was written."""

    def written(act, *, stream=None, **options) -> str:
        stream = stream or io.StringIO()
        configure(stream, clock=StoppedClock(), **{"environ": {}, **options})
        act(get_logger("service.receiver"))
        return stream.getvalue()

    return written


class TestJsonLines:
    def test_one_object_per_line(self, written):
        """Off a terminal an event is one JSON object with time, level, logger, event and its fields."""
        text = written(lambda log: log.info("delivery.accepted", source="support", contact_id=597752))
        assert text.endswith("\n")
        assert json.loads(text) == {
            "time": "2026-11-23T10:00:00.123Z",
            "level": "info",
            "logger": "service.receiver",
            "event": "delivery.accepted",
            "source": "support",
            "contact_id": 597752,
        }

    def test_values_of_any_type(self, written):
        """Times are RFC 3339, secrets are masked at any depth, and what JSON lacks is written as text."""
        line = json.loads(
            written(
                lambda log: log.warning(
                    "x", at=NOW, key=Secret("test"), deep={"a": [Secret("test")]}, share=float("nan")
                )
            )
        )
        assert line["at"] == "2026-11-23T10:00:00.123Z"
        assert (line["key"], line["deep"], line["share"]) == ("***", {"a": ["***"]}, None)

    def test_fields_cannot_take_the_place_of_the_line_s_own(self, written):
        """A field named like one of the line's own does not replace it."""
        line = json.loads(written(lambda log: log.info("x", level="debug", time="never", event="y")))
        assert (line["level"], line["event"], line["time"]) == ("info", "x", "2026-11-23T10:00:00.123Z")

    def test_traceback_is_a_field(self, written):
        """An exception is one line too, with its traceback as a field."""
        line = json.loads(written(log_an_exception))
        assert line["level"] == "error"
        assert line["traceback"].endswith("ValueError: first\nsecond")


class TestReadableLines:
    def test_fields_follow_the_event(self, written):
        """On a terminal an event is time, level, event and fields, in colour."""
        text = written(
            lambda log: log.error("reopen.dead", reopen_id="r1", http_status=404), stream=Terminal()
        )
        assert text == (
            "2026-11-23T10:00:00.123Z \x1b[31merror  \x1b[0m reopen.dead reopen_id=r1 http_status=404\n"
        )

    @pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_colours_can_be_left_out(self, written, environ):
        """NO_COLOR and a dumb terminal get no colour."""
        assert ESCAPE not in written(lambda log: log.info("x"), stream=Terminal(), environ=environ)

    def test_form_can_be_chosen(self, written):
        """`json` chooses the form whatever the stream is; colours stay on terminals."""
        assert json.loads(written(lambda log: log.info("x"), stream=Terminal(), json=True))
        assert written(lambda log: log.info("x"), json=False) == "2026-11-23T10:00:00.123Z info    x\n"

    def test_nothing_in_a_value_forges_a_line(self, written):
        """Line ends, terminal codes and marks that turn the reading direction are escaped in values."""
        hostile = "a\n2026 error fake\r\x1b[2J\x85\u2028\u202e\ud800"
        text = written(lambda log: log.info("x", ticket_id=hostile), json=False)
        assert text.count("\n") == 1
        assert r'ticket_id="a\n2026 error fake\r\x1b[2J\x85\u2028\u202e\ud800"' in text

    def test_values_that_look_like_fields_are_quoted(self, written):
        """Blanks, quotes and equals signs within a value are told apart from the line's own."""
        text = written(lambda log: log.info("x", a="b c=d", e='"', f="", g=None), json=False)
        assert text.endswith('x a="b c=d" e="\\"" f="" g=null\n')

    def test_traceback_is_indented(self, written):
        """Each line of a traceback is indented, so that a message of two lines starts no line of the log."""
        first, *others = written(log_an_exception, json=False).splitlines()
        assert first == "2026-11-23T10:00:00.123Z error   job.failed job_id=1"
        assert all(line.startswith("    ") for line in others)
        assert [line.strip() for line in others][-2:] == ["ValueError: first", "second"]

    @given(value=st.text())
    def test_any_text_stays_on_its_line(self, value):
        """Whatever a field holds, it is written as one line of printable characters."""
        stream = io.StringIO()
        configure(stream, json=False, clock=StoppedClock(), environ={})
        get_logger("x").info("x", value=value)
        assert stream.getvalue().removesuffix("\n").isprintable()


class TestOtherLoggers:
    @pytest.mark.parametrize(
        "name", ["httpx", "httpcore.connection", "rq.worker", "rq.job", "rq.queue", "uvicorn.access"]
    )
    def test_what_would_leak_is_left_out(self, written, name):
        """Libraries that write addresses or job descriptions at INFO are heard from WARNING on."""

        def act(_log) -> None:
            logging.getLogger(name).info("GET https://acquire.example/?contactId=1")
            logging.getLogger(name).warning("heard %s", 1)

        assert json.loads(written(act))["event"] == "heard 1"

    def test_configuring_again_replaces(self, written):
        """A second configure takes the first one's place, it does not double the lines."""
        before = io.StringIO()
        configure(before, clock=StoppedClock(), environ={})
        assert written(lambda log: log.info("x")).count("\n") == 1
        assert before.getvalue() == ""


def log_an_exception(log) -> None:
    try:
        fail()
    except ValueError:
        log.exception("job.failed", job_id=1)


def fail() -> None:
    raise ValueError("first\nsecond")


def test_a_log_that_takes_nothing_stops_nobody():
    """A closed pipe or a full disk behind the log is no fault of whoever writes a line."""
    stream = io.StringIO()
    configure(stream, json=True, clock=StoppedClock(), environ={})
    stream.close()
    get_logger("service.test").info("delivery.answered", status=200)
