"""`reopener check` against a real Redis and a real HTTP server: each fault is found, and nothing else."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
import rq

from service.check import check
from service.check.of_redis import RedisState, judge_redis
from service.check.probes import SWEEPERS_KEY
from service.clock import SystemClock
from service.embedded import find_server
from service.queue import QUEUE_NAME
from service.settings import (
    AcquireSettings,
    RedisSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    SettingsError,
    SourceSettings,
)

CLOCK = SystemClock()
API_KEY = "test-api-key"
STRONG = "test-only-0123456789-abcdef"
STRONG_STANDARD = "whsec_" + "dGhlIHRlc3RzJyBvd24gd2ViaG9vayBzZWNyZXQ="  # 29 bytes
START_SECONDS = 20


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """Where a real server listens that is as production wants it."""
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    command = [find_server(), "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""]
    with subprocess.Popen(
        [*command, "--appendonly", "yes", "--appendfsync", "always"], stdout=subprocess.DEVNULL
    ) as server:
        wait_until_accepting(path)
        yield f"unix://{path}"
        server.terminate()


def wait_until_accepting(path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(unix_socket_path=str(path)) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return


@pytest.fixture
def server(redis_url) -> Iterator[redis.Redis]:
    """A client of the real server, whose data and configuration are as before when the test ends."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        changed = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "min-replicas-to-write")
        before = {name: client.config_get(name)[name] for name in changed}
        client.flushall()
        yield client
        client.replicaof("NO", "ONE")
        for name, value in before.items():
            client.config_set(name, value)


@pytest.fixture
def working(server, redis_url) -> redis.Redis:
    """The same Redis with a worker and a sweeper running."""
    with redis.Redis.from_url(redis_url) as raw:
        rq.SimpleWorker([QUEUE_NAME], connection=raw, name="w1").register_birth()
    server.hset(SWEEPERS_KEY, mapping={"dead": 1, "w1": CLOCK.now_ms()})
    return server


class Acquire(ThreadingHTTPServer):
    """Answers each request as it is told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AcquireHandler)
        self.status = 200
        self.clock_ahead = timedelta(0)
        self.hangs = threading.Event()
        self.hangs.set()
        self.requests: list[tuple[str, str | None]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class AcquireHandler(BaseHTTPRequestHandler):
    server: Acquire

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Authorization"]))
        self.server.hangs.wait()
        self.send_response_only(self.server.status)
        self.send_header("Date", format_datetime(CLOCK.now() + self.server.clock_ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def acquire() -> Iterator[Acquire]:
    with Acquire() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.hangs.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(redis_url, acquire, tmp_path) -> Settings:
    """Settings with nothing to mend."""
    return Settings(
        acquire=AcquireSettings(account_id="example", api_key=Secret(API_KEY), origin=acquire.origin),
        reopen=ReopenSettings(),
        retention=RetentionSettings(),
        sources={"support": SourceSettings("support", "standard", (Secret(STRONG_STANDARD),))},
        redis_url=Secret(redis_url),
        host="127.0.0.1",
        port=8080,
        admin_token=Secret(STRONG),
        data_dir=tmp_path,
        concurrency=32,
    )


async def codes(settings: Settings) -> list[str]:
    return [finding.code for finding in await check(settings, clock=CLOCK)]


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


class TestRedis:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("appendonly", "no", "redis_without_aof"),
            ("appendfsync", "no", "redis_appendfsync_no"),
            ("appendfsync", "everysec", "redis_forgets_at_power_cut"),
            ("min-replicas-to-write", "1", "redis_takes_no_writes"),
            ("maxmemory-policy", "allkeys-lru", "redis_evicts"),
        ],
    )
    async def test_configuration_that_loses_records(self, settings, working, name, value, expected):
        """Redis that loses or refuses records, for good or at a power cut, is found."""
        working.config_set(name, value)
        assert await codes(settings) == [expected]

    async def test_nearly_full(self, settings, working):
        """A memory limit that is nearly used up is found before Redis refuses to write."""
        working.setrange("ballast", 32_000_000, "x")
        working.config_set("maxmemory", 36_000_000)
        (finding,) = await check(settings, clock=CLOCK)
        assert (finding.severity, finding.code) == ("warning", "redis_nearly_full")

    async def test_replica(self, settings, working):
        """A replica, which refuses writes, is found."""
        working.replicaof("127.0.0.1", "1")
        assert await codes(settings) == ["redis_replica"]

    async def test_config_forbidden(self, settings, working):
        """Where CONFIG is forbidden, as on managed Redis, that is a warning and all else is still judged."""
        working.acl_setuser("managed", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
        working.config_set("maxmemory-policy", "allkeys-lru")
        url = settings.redis_url.reveal().replace("unix://", "unix://managed:any@")
        found = await check(replace(settings, redis_url=Secret(url)), clock=CLOCK)
        assert [(finding.severity, finding.code) for finding in found] == [
            ("warning", "redis_config_unreadable"),
            ("error", "redis_evicts"),
        ]

    async def test_refused(self, settings, working):
        """A wrong password is told apart from a Redis that is away."""
        url = settings.redis_url.reveal().replace("unix://", "unix://nobody:test-password@")
        (finding,) = await check(replace(settings, redis_url=Secret(url)), clock=CLOCK)
        assert finding.code == "redis_refused"
        assert "test-password" not in finding.message

    async def test_out_of_reach(self, settings, working):
        """A Redis that refuses connections is found, and Acquire is checked all the same."""
        away = replace(settings, redis_url=Secret("redis://127.0.0.1:1"))
        assert await codes(away) == ["redis_out_of_reach"]

    async def test_hanging(self, settings, monkeypatch):
        """A Redis that takes the connection and says nothing is given up on in bounded time."""
        monkeypatch.setattr("service.check.probes.PROBE_SECONDS", 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            async with asyncio.timeout(20):
                assert await codes(replace(settings, redis_url=Secret(url))) == ["redis_out_of_reach"]

    @pytest.mark.parametrize(
        ("info", "is_too_old"),
        [
            ({"redis_version": "6.0.16"}, True),
            ({"redis_version": "5.0"}, True),
            ({"redis_version": "6.2.14"}, False),
            ({"redis_version": "10.0.1"}, False),
            ({"redis_version": "7.2.4", "valkey_version": "7.1.9"}, True),
            ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, False),
            ({"redis_version": ""}, True),
        ],
    )
    def test_version(self, info, is_too_old):
        """Redis before 6.2 and Valkey before 7.2 are too old; later ones are not, also with two digits."""
        assert judged(info) == ["redis_too_old"] * is_too_old

    @pytest.mark.parametrize(
        ("asked", "info", "expected"),
        [
            (RedisSettings(wait_aof=True), {"appendfsync": "everysec"}, ["redis_wait_too_short"]),
            (RedisSettings(wait_aof=True, wait_timeout_ms=1_300), {"appendfsync": "everysec"}, []),
            (
                RedisSettings(wait_aof=True, wait_timeout_ms=1_300),
                {"appendfsync": "everysec", "valkey_version": "9.1.2"},
                ["redis_waitaof_premature"],
            ),
            (RedisSettings(wait_aof=True), {"valkey_version": "9.1.2"}, []),
            (RedisSettings(wait_aof=True), {"appendfsync": "no"}, ["redis_appendfsync_no"]),
            (RedisSettings(wait_aof=True), {"redis_version": "7.0.15"}, ["redis_without_waitaof"]),
            (RedisSettings(wait_aof=True), {"redis_version": "7.2.4"}, []),
            (RedisSettings(wait_aof=True), {"aof_enabled": 0}, ["redis_without_aof"]),
            (RedisSettings(wait_replicas=1), {}, ["redis_replicas_missing"]),
            (RedisSettings(wait_replicas=1), {"slave0": "wait_bgsave"}, ["redis_replicas_missing"]),
            (RedisSettings(wait_replicas=1), {"slave0": "online"}, []),
            (RedisSettings(wait_replicas=2), {"slave0": "online"}, ["redis_replicas_missing"]),
            (RedisSettings(), {"slave0": "online"}, ["redis_forgets_at_failover"]),
            (RedisSettings(), {"cluster_enabled": 1}, ["redis_cluster"]),
        ],
    )
    def test_what_is_asked_in_vain(self, asked, info, expected):
        """What the settings ask for and Redis cannot give is found, and what they ought to ask for too."""
        assert judged(info, asked) == expected

    def test_sentinels_without_a_wait(self):
        """Behind sentinels a replica may take over, also where there is none at this moment."""
        assert judged({}, fails_over=True) == ["redis_forgets_at_failover"]


def judged(
    info: dict[str, Any], asked: RedisSettings | None = None, *, fails_over: bool = False
) -> list[str]:
    """The codes for a Redis that is sound but for what `info` tells."""
    told = {"redis_version": "8.0.0", "aof_enabled": 1, **info}
    config = {"appendfsync": told.pop("appendfsync", "always")}
    if "slave0" in told:
        told |= {"connected_slaves": 1, "slave0": {"state": told["slave0"]}}
    state = RedisState(told, config, 1, is_suspended=False, sweeper_beats_ms=[1])
    return [finding.code for finding in judge_redis(state, asked or RedisSettings(), fails_over=fails_over)]


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

    async def test_hanging(self, settings, working, acquire, monkeypatch):
        """An Acquire that never answers is given up on in bounded time."""
        monkeypatch.setattr("service.check.probes.PROBE_SECONDS", 2)
        acquire.hangs.clear()
        async with asyncio.timeout(20):
            (finding,) = await check(settings, clock=CLOCK)
        assert finding.code == "acquire_out_of_reach"
        assert "nothing within 2 s" in finding.message
