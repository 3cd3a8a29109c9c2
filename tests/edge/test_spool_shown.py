"""What a receiver keeps on its disk is told wherever people and machines look."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from service.check.spool import probe_spool
from service.clock import SystemClock
from service.embedded import EmbeddedRedis
from service.intake.spool import FILE_NAME
from service.settings import load
from tests.running import ROOT, TOKEN, Site, environment, reply, site_on, until


def gauges(site: Site) -> dict[str, float]:
    told = re.findall(r"^reopener_spool_(\w+) (\S+)$", site.client.get("/metrics").text, re.MULTILINE)
    return {name: float(value) for name, value in told}


def found(site: Site) -> dict[str, str]:
    """The findings of `reopener check`, by code."""
    settings = load(site.environment, role="tool", cwd=ROOT)
    return {finding.code: finding.message for finding in probe_spool(settings)}


def overview(site: Site) -> str:
    site.client.post("/login", data={"token": TOKEN})
    return site.client.get("/").text


def test_what_waits_is_told_while_redis_is_away_and_after(tmp_path: Path):
    """`/readyz`, `/metrics`, the page, `/api/stats` and `check` tell what waits, and what Redis refuses."""
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    try:
        with site_on(environment(tmp_path, server.url, REOPENER_SPOOL_MB="4")) as site:
            site.redis.set("reopener:inbox:7", "not a sorted set")
            assert site.stats()["spool"]["deliveries"] == 0
            assert not found(site)
            server.stop()
            for thread_id in (1683, 7, 1684):
                answer = site.deliver(reply(thread_id=thread_id), event_id=f"evt-{thread_id}")
                assert answer.json()["status"] == "accepted"
            assert site.deliver(event_id="evt-1683").json()["status"] == "duplicate"
            ready = site.client.get("/readyz")
            assert (ready.status_code, ready.json()["spooled"]) == (200, 4)
            assert gauges(site)["deliveries"] == 4
            assert gauges(site)["limit_bytes"] == 4 * 1024 * 1024
            assert "4 deliveries wait" in overview(site)
            assert found(site).keys() == {"spool_waiting"}
            server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
            until(lambda: gauges(site)["deliveries"] == 0)
            told = site.stats()
            assert (told["accepted"], told["balanced"]) == (2, True)
            assert {name: told["spool"][name] for name in ("deliveries", "refused")} == {
                "deliveries": 0,
                "refused": 1,
            }
            assert "Redis refuses 1 on this receiver" in overview(site)
            assert found(site).keys() == {"spool_refused"}
    finally:
        server.stop()


def test_without_a_spool_nothing_is_told_of_it(site: Site):
    """Where it is off, there is no number of it and no finding."""
    assert site.stats()["spool"] is None
    assert gauges(site) == {}
    assert found(site) == {}


def test_what_waits_in_a_spool_that_is_off_by_now_is_admitted(tmp_path: Path):
    """It was answered 200. `check` tells of it, the next receiver admits it, and takes no more."""
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    try:
        with site_on(environment(tmp_path, server.url, REOPENER_SPOOL_MB="4")) as site:
            server.stop()
            assert site.deliver().status_code == 200
        with site_on(environment(tmp_path, server.url)) as site:
            assert found(site).keys() == {"spool_waiting"}
            assert site.deliver(event_id="later").status_code == 503
            server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
            until(lambda: site.stats()["accepted"] == 1)
            assert gauges(site)["deliveries"] == 0
            assert not found(site)
    finally:
        server.stop()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000])
def test_a_spool_that_is_off_is_in_nobodys_way(tmp_path: Path, content: bytes):
    """What was left of it, empty or spoilt, keeps no receiver from its work."""
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    try:
        variables = environment(tmp_path, server.url)
        folder = Path(variables["REOPENER_DATA_DIR"]) / "spool"
        folder.mkdir(parents=True)
        (folder / FILE_NAME).write_bytes(content)
        with site_on(variables) as site:
            assert site.deliver().status_code == 200
            assert site.stats()["spool"] is None
    finally:
        server.stop()


def test_a_full_spool_is_not_ready(tmp_path: Path):
    """`/readyz` is 503 once there is neither Redis nor room, and deliveries are too."""
    server = EmbeddedRedis.start(tmp_path / "redis", clock=SystemClock())
    with site_on(environment(tmp_path, server.url, REOPENER_SPOOL_MB="1")) as site:
        server.stop()
        sizes = [200_000] * 4 + [20_000] * 20
        answers = [
            site.deliver(reply(message="x" * size), event_id=f"evt-{number}")
            for number, size in enumerate(sizes)
        ]
        assert [answer.status_code for answer in answers[:4]] == [200] * 4
        assert answers[-1].status_code == 503
        assert 0 < int(answers[-1].headers["retry-after"]) < 60
        assert site.client.get("/readyz").status_code == 503


@pytest.mark.parametrize("make", [lambda path: path.write_text("a file"), lambda path: path.mkdir()])
def test_check_finds_a_place_that_keeps_nothing(tmp_path: Path, make, monkeypatch):
    """A data folder that cannot be written, and a disk that is too small, are found before Redis is away."""
    variables = environment(tmp_path, "redis://localhost", REOPENER_SPOOL_MB="999999")
    settings = load(variables, role="tool", cwd=ROOT)
    assert {each.code for each in probe_spool(settings)} == {"spool_disk_small"}
    make(settings.data_dir)
    access = os.access
    # Root may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and access(path, mode))
    assert {each.code for each in probe_spool(settings)} == {"spool_unusable"}
