"""`reopener check`: each fault is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rq

from service.check import check
from service.check.probes import SWEEPERS_KEY
from service.settings import (
    AcquireSettings,
    Secret,
    SettingsError,
    SourceSettings,
)
from tests.system.check.told import API_KEY, CLOCK, STRONG, codes


class TestAll:
    async def test_nothing_to_mend(self, settings, working, acquire):
        """A sound installation has no finding, and Acquire sees one harmless read with the key."""
        assert await check(settings, clock=CLOCK) == []
        assert acquire.requests == [("/api/v1/crm/objects/case?limit=1", f"Bearer {API_KEY}")]

    async def test_faults_of_settings_are_findings(self):
        """Settings that could not be read give one finding per fault."""
        found = await check(SettingsError(["REDIS_URL: missing", "reopen.x: unknown key"]), clock=CLOCK)
        assert [(finding.severity, finding.code, finding.message) for finding in found] == [
            ("error", "settings", "REDIS_URL: missing"),
            ("error", "settings", "reopen.x: unknown key"),
        ]

    async def test_everything_missing(self, settings):
        """Settings that lack everything give a finding for each, and nothing is probed."""
        bare = replace(settings, acquire=AcquireSettings(), sources={}, redis_url=None, admin_token=None)
        assert await codes(bare) == [
            "admin_token_missing",
            "source_missing",
            "redis_missing",
            "acquire_missing",
        ]

    async def test_no_finding_shows_a_secret(self, settings, acquire):
        """Nothing said in a finding holds a secret, also where everything fails."""
        acquire.status = 401
        hostile = replace(
            settings,
            redis_url=Secret("redis://user:test-password@127.0.0.1:1"),
            admin_token=Secret("short"),
            sources={"a": SourceSettings("a", "static", (Secret("weak-one"),))},
        )
        shown = repr(await check(hostile, clock=CLOCK))
        for secret in ("test-password", "short'", "weak-one", API_KEY):
            assert secret not in shown


class TestSecrets:
    @pytest.mark.parametrize("token", ["fifteen-letters", "a" * 40, "1212121212121212121212"])
    async def test_weak_admin_token(self, settings, working, token):
        """A short or monotonous admin token is found."""
        assert await codes(replace(settings, admin_token=Secret(token))) == ["admin_token_weak"]

    @pytest.mark.parametrize(
        ("secret", "expected"),
        [
            (f"{STRONG}\n", ["secret_wrapped"]),
            (f" {STRONG}", ["secret_wrapped"]),
            (f'"{STRONG}"', ["secret_wrapped"]),
            ("-----BEGIN PUBLIC KEY-----\nabcdefghijk\n-----END PUBLIC KEY-----\n", []),
        ],
    )
    async def test_a_secret_with_something_around_it(self, settings, working, secret, expected):
        """A line end, a blank and quotes that came along with a secret are found; a key in PEM is well."""
        source = SourceSettings("a", "zendesk", (Secret(secret),))
        assert await codes(replace(settings, sources={"a": source})) == expected

    async def test_weak_viewer_token(self, settings, working):
        """A viewer token that can be guessed is found too; one that cannot is well, and so is none."""
        assert await codes(replace(settings, viewer_token=Secret("viewer"))) == ["viewer_token_weak"]
        assert await codes(replace(settings, viewer_token=Secret(STRONG))) == []

    @pytest.mark.parametrize(
        ("kind", "options", "secret", "expected"),
        [
            ("standard", {}, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY=", ["secret_weak"]),  # 23 bytes
            ("standard", {}, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", []),  # 24 bytes
            ("standard", {}, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", []),
            ("standard", {}, "whpk_c2hvcnQ=", []),
            ("static", {"auth": "header"}, "letmein", ["secret_weak"]),
            ("static", {"auth": "header"}, STRONG, []),
            ("static", {"auth": "basic"}, f"{STRONG}:letmein", ["secret_weak"]),
            ("static", {"auth": "basic"}, f"me:{STRONG}", []),
        ],
    )
    async def test_weak_webhook_secret(self, settings, working, kind, options, secret, expected):
        """A webhook secret that can be guessed is found, measured as its kind uses it."""
        source = SourceSettings("support", kind, (Secret(secret),), options=options)
        assert await codes(replace(settings, sources={"support": source})) == expected

    async def test_missing_webhook_secret(self, settings, working):
        """A source without its secret is found."""
        bare = replace(settings, sources={"a": SourceSettings("a", "standard")})
        assert await codes(bare) == ["secret_missing"]


class TestWorkers:
    async def test_none_running(self, settings, server):
        """No worker and no scheduler are two findings."""
        assert await codes(settings) == ["worker_missing", "scheduler_missing"]

    async def test_killed_worker_does_not_count(self, settings, working):
        """A worker that is still in RQ's set, but whose own record ran out, is not running."""
        working.delete("rq:worker:w1")
        assert await codes(settings) == ["worker_missing"]

    async def test_silent_sweeper(self, settings, working):
        """A sweeper whose last beat is more than 30 s old is no scheduler."""
        working.hset(SWEEPERS_KEY, "w1", CLOCK.now_ms() - 31_000)
        (finding,) = await check(settings, clock=CLOCK)
        assert finding.code == "scheduler_missing"
        assert "31 s ago" in finding.message

    async def test_suspended(self, settings, working):
        """Workers that someone suspended with RQ's own tool are found."""
        rq.suspension.suspend(working)
        assert await codes(settings) == ["workers_suspended"]
