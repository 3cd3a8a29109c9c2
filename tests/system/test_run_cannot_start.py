"""`reopener run` where it cannot start: it ends with a line that says why."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest.mock import Mock

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from service import run
from service.answers import error
from service.clock import SystemClock
from service.settings import load
from service.supervise import CannotStart
from tests.running import ROOT, served

START_LIMIT_SECONDS = 60.0


@pytest.mark.parametrize(
    ("command", "variables", "status", "words"),
    [
        (("-m", "service", "run"), {"REOPENER_DATA_DIR": "/dev/null"}, 1, "set REOPENER_DATA_DIR"),
        (("-m", "workers.sandbox", "--port", "99999"), {}, 2, "must be from 0 to 65535"),
    ],
)
def test_what_cannot_start_says_so_in_a_line(tmp_path, command, variables, status, words):
    """A folder that is none and a port that is none end with what to mend, not with a traceback."""
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=START_LIMIT_SECONDS,
        check=False,
    )
    assert (ended.returncode, words in ended.stderr) == (status, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_receiver_that_does_not_get_ready_is_told_with_what_it_says(tmp_path, monkeypatch):
    """A receiver that answers, and is never ready, ends the start with its own words for why."""
    monkeypatch.setattr(run, "_READY_LIMIT_SECONDS", 0.2)
    settings = load({"REOPENER_PORT": "0"}, role="run", cwd=tmp_path)
    starting = run._Run(settings, {}, tmp_path, SystemClock(), Mock(received=False))
    app = Starlette(routes=[Route("/readyz", lambda _: error(503, "not_ready", "No writes now."))])
    with served(app, lifespan="off") as origin, starting._http:
        with pytest.raises(CannotStart, match=r"answers 503: .*No writes now"):
            starting._wait_for_answer("receiver", f"{origin}/readyz")
        with pytest.raises(CannotStart, match="does not answer"):
            starting._wait_for_answer("receiver", "http://127.0.0.1:9/readyz")
