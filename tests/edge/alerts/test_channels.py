"""Channels as people set, try and see them, and receivers that tell through them by themselves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service import openapi
from service.check.findings import judge_settings
from service.settings import SettingsError, load
from tests.edge.alerts.hooked import SECRET, Hook, configured
from tests.edge.told import faults
from tests.running import CONFIG, ROOT, TOKEN, VIEWER_TOKEN, environment, process, script, site_on, until

PENDING = {"slug": "no_worker", "subject": "", "title": "t", "mend": "m", "link": "/"}


PENDING |= {"state": "pending", "since_ms": 1}


class TestTrying:
    def test_over_the_api_and_on_the_page(self, tmp_path: Path, redis_url: str, hook: Hook):
        """A test goes through every channel, on request of an admin alone; addresses show nowhere."""
        with site_with(tmp_path, redis_url, hook) as (site, _):
            viewer = {"authorization": f"Bearer {VIEWER_TOKEN}"}
            assert site.client.post("/api/alerts/test", headers=viewer).status_code == 403
            told = site.api("POST", "/api/alerts/test").json()
            assert told == {"results": [{"channel": "ALERTS_HOOK", "error": None}]}
            assert hook.taken[0]["state"] == "test"
            with httpx.Client(base_url=site.origin, trust_env=False, follow_redirects=True) as people:
                people.post("/login", data={"token": TOKEN})
                page = people.get("/setup").text
                csrf = re.search('name="csrf_token" value="([^"]+)"', page)
                assert "ALERTS_HOOK" in page
                hook.mode = "refuse"
                answer = people.post("/alerts/test", data={"csrf_token": csrf[1]}).text
                assert people.post("/alerts/test").status_code == 403
            assert "500" in answer
            assert SECRET not in page + answer
            assert len(hook.taken) == 1
            entries = site.redis.xrange("reopener:audit")
            assert [entry[b"what"] for _, entry in entries] == [b"test alerts"] * 2

    def test_in_a_shell(self, tmp_path: Path, redis_url: str, hook: Hook):
        """`reopener alert-test` says what came of each channel; exit status 1 where one did not take it."""
        variables = configured(tmp_path, redis_url, hook)
        assert shell(variables) == (0, "ALERTS_HOOK: taken\n")
        hook.mode = "refuse"
        status, told = shell(variables)
        assert status == 1
        assert "500" in told
        assert SECRET not in told
        del variables["ALERTS_HOOK"]
        assert shell(variables) == (1, "ALERTS_HOOK: ALERTS_HOOK is not set in the environment\n")
        assert shell(environment(tmp_path, redis_url))[0] == 2

    def test_where_others_have_our_name(self, tmp_path: Path, redis_url: str, hook: Hook):
        """A stranger's `service` in the working folder is not what sends."""
        variables = configured(tmp_path, redis_url, hook)
        (tmp_path / "service.py").write_text("raise SystemExit(3)\n")
        command = (script("reopener"), "alert-test")
        assert shell(variables, command, cwd=tmp_path) == (0, "ALERTS_HOOK: taken\n")

    def test_a_receiver_tells_by_itself(self, tmp_path: Path, redis_url: str, server, hook: Hook):
        """A running receiver finds what is wrong and tells it."""
        server.hset("reopener:alerts", "doc", json.dumps({"no_worker:": PENDING}))
        with site_with(tmp_path, redis_url, hook) as (site, _):
            until(lambda: hook.taken)
            assert hook.taken[0]["slug"] == "no_worker"
            (sending,) = until(lambda: site.api("GET", "/api/alerts").json()["sendings"])
            told = site.api("GET", "/api/alerts").json()
        assert (sending["channel"], sending["state"], sending["error"]) == ("ALERTS_HOOK", "firing", None)
        assert told["channels"] == ["ALERTS_HOOK"]
        assert [each["slug"] for each in told["firing"]] == ["no_worker"]
        schemas = openapi.DOCUMENT["components"]["schemas"]
        assert faults(told, schemas["Alerts"], schemas) == []

    def test_a_receiver_is_killed_while_it_tells(self, tmp_path: Path, redis_url: str, server, hook: Hook):
        """Killed with a message in hand, it is followed by another receiver, which tells the same once."""
        hook.mode = "hang"
        server.hset("reopener:alerts", "doc", json.dumps({"no_worker:": PENDING}))
        variables = configured(tmp_path, redis_url, hook) | {"REOPENER_PORT": "0"}
        with process("-m", "service", "serve", variables=variables, log=tmp_path / "first.log") as first:
            until(lambda: hook.asked)
            first.kill()
            first.wait()
        hook.mode = "refuse"  # what its child process still has in hand
        until(lambda: hook.refused)
        assert until(lambda: int(server.hget("reopener:alerts", "hold:ALERTS_HOOK")))
        server.hset("reopener:alerts", "hold:ALERTS_HOOK", "0")
        hook.mode = "take"
        with process("-m", "service", "serve", variables=variables, log=tmp_path / "second.log"):
            until(lambda: server.lrange("reopener:alerts:log", 0, -1))
        assert [(each["slug"], each["state"]) for each in hook.taken] == [("no_worker", "firing")]
        assert not server.exists("reopener:alerts:out:ALERTS_HOOK")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('url_envs = ["https://hooks.example.com/secret"]', "not the address itself"),
        ('url_envs = "ALERTS_HOOK"', "must be a list"),
        ('url_envs = ["ALERTS_HOOK", "ALERTS_HOOK"]', "names the same variable again"),
        ('url_envs = ["ALERTS_UNSET"]', "ALERTS_UNSET is not set"),
        ('url_envs = ["ALERTS_BAD"]', "ALERTS_BAD: must be an address"),
        ('dashboard_url = "reopener.example.com"', "must be this dashboard's address"),
        ('urls = ["ALERTS_HOOK"]', "unknown key"),
    ],
)
def test_settings_say_what_to_mend(tmp_path: Path, table: str, fault: str):
    """A mistake in [alerts] is told by its key, never with an address."""
    more = {"ALERTS_HOOK": "https://example.com/x", "ALERTS_BAD": f"no-address {SECRET}"}
    variables = environment(tmp_path, "redis://localhost", config=f"{CONFIG}\n[alerts]\n{table}", **more)
    with pytest.raises(SettingsError) as told:
        load(variables, role="serve", cwd=ROOT)
    assert fault in str(told.value)
    assert "secret" not in str(told.value).replace("it holds a secret", "")
    assert SECRET not in str(told.value)


def test_check_finds_a_channel_that_is_not_set(tmp_path: Path):
    """`reopener check` names the variable that nobody is told through."""
    config = f'{CONFIG}\n[alerts]\nurl_envs = ["ALERTS_UNSET"]\n'
    settings = load(environment(tmp_path, "redis://localhost", config=config), role="tool", cwd=ROOT)
    (found,) = [each for each in judge_settings(settings) if each.code == "alert_channel_unset"]
    assert "ALERTS_UNSET" in found.message


@contextmanager
def site_with(folder: Path, redis_url: str, hook: Hook) -> Iterator[tuple[Any, Hook]]:
    with site_on(configured(folder, redis_url, hook)) as site:
        yield site, hook


def shell(
    variables: dict[str, str],
    command: Sequence[str] = (sys.executable, "-m", "service", "alert-test"),
    *,
    cwd: Path = ROOT,
) -> tuple[int, str]:
    ended = subprocess.run(
        command, env=variables, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )
    return ended.returncode, ended.stdout
