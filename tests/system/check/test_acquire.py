"""`reopener check`: what is found on Acquire, and between its clock and ours."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from service.check import check
from tests.system.check.told import CLOCK, codes


class TestAcquire:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (401, ("error", "acquire_key_refused")),
            (403, ("error", "acquire_key_refused")),
            (404, ("error", "acquire_unexpected_answer")),
            (301, ("error", "acquire_unexpected_answer")),
            (503, ("warning", "acquire_unwell")),
            (429, ("warning", "acquire_unwell")),
        ],
    )
    async def test_answers(self, settings, working, acquire, status, expected):
        """A refused key, a wrong address and an Acquire that is unwell are told apart."""
        acquire.status = status
        (finding,) = await check(settings, clock=CLOCK)
        assert (finding.severity, finding.code) == expected

    @pytest.mark.parametrize(
        ("ahead_seconds", "expected"),
        [
            (4, None),
            (-4, None),
            # A Date has whole seconds, so what is told may be one less.
            (20, ("warning", r"(19|20) s behind")),
            (-20, ("warning", r"(19|20) s ahead of")),
            (90, ("error", r"(89|90) s behind")),
            (-90, ("error", r"(89|90) s ahead of")),
        ],
    )
    async def test_clock(self, settings, working, acquire, ahead_seconds, expected):
        """A clock over 5 s off Acquire's is a warning, over 60 s an error; a little is neither."""
        acquire.clock_ahead = timedelta(seconds=ahead_seconds)
        found = await check(settings, clock=CLOCK)
        assert [finding.code for finding in found] == ([] if expected is None else ["clock_off"])
        for finding in found:
            assert finding.severity == expected[0]
            assert re.search(expected[1], finding.message)

    async def test_out_of_reach(self, settings, working):
        """An Acquire that cannot be connected to is found."""
        away = replace(settings.acquire, origin="http://127.0.0.1:1")
        assert await codes(replace(settings, acquire=away)) == ["acquire_out_of_reach"]

    async def test_proxies_are_passed_by(self, settings, working, acquire, monkeypatch):
        """What workers would not heed is not heeded here: else check says what is not so for them."""
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert await codes(settings) == []

    async def test_hanging(self, settings, working, acquire, monkeypatch):
        """An Acquire that never answers is given up on in bounded time."""
        monkeypatch.setattr("service.check.probes.PROBE_SECONDS", 2)
        acquire.hangs.clear()
        async with asyncio.timeout(20):
            (finding,) = await check(settings, clock=CLOCK)
        assert finding.code == "acquire_out_of_reach"
        assert "nothing within 2 s" in finding.message
