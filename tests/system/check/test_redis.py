"""`reopener check`: what is found on a Redis."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from service.check import check
from service.check.of_redis import RedisState, judge_redis
from service.settings import (
    RedisSettings,
    Secret,
)
from tests.system.check.told import CLOCK, codes


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

    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"save": "3600 1"}, ["redis_snapshot_failing"]),
            ({"save": ""}, []),
            ({"save": "3600 1", "stop-writes-on-bgsave-error": "no"}, []),
        ],
    )
    def test_a_snapshot_that_failed(self, config, expected):
        """Redis then refuses every write, unless it is told to make none or to go on."""
        assert judged({"rdb_last_bgsave_status": "err"}, config=config) == expected
        assert judged({"rdb_last_bgsave_status": "ok"}, config=config) == []

    @pytest.mark.parametrize(
        ("off_seconds", "expected"),
        [(0, []), (20, ["warning"]), (-20, ["warning"]), (3_600, ["error"]), (-3_600, ["error"])],
    )
    async def test_a_clock_that_is_off(self, settings, working, off_seconds, expected):
        """Redis' clock is compared with ours: by it calls are settled."""

        class Off(type(CLOCK)):
            def now_ms(self) -> int:
                return super().now_ms() + off_seconds * 1000

        found = await check(settings, clock=Off())
        assert [each.severity for each in found if each.code == "redis_clock_off"] == expected

    async def test_sentinels_that_are_not_there(self, settings, acquire):
        """Where no sentinel answers, the name of the master is told, and nothing of how we would connect."""
        nowhere = Secret("redis+sentinel://user:test-password@127.0.0.1:1,127.0.0.1:2/main")
        found = await check(replace(settings, redis_url=nowhere), clock=CLOCK)
        (finding,) = [each for each in found if each.code == "redis_out_of_reach"]
        assert finding.message == "Redis does not answer: No master found for 'main'"

    def test_sentinels_without_a_wait(self):
        """Behind sentinels a replica may take over, also where there is none at this moment."""
        assert judged({}, fails_over=True) == ["redis_forgets_at_failover"]


def judged(
    info: dict[str, Any],
    asked: RedisSettings | None = None,
    *,
    fails_over: bool = False,
    config: dict[str, str] | None = None,
) -> list[str]:
    """The codes for a Redis that is sound but for what `info` tells."""
    told = {"redis_version": "8.0.0", "aof_enabled": 1, **info}
    config = {"appendfsync": told.pop("appendfsync", "always"), **(config or {})}
    if "slave0" in told:
        told |= {"connected_slaves": 1, "slave0": {"state": told["slave0"]}}
    state = RedisState(told, config, 1, is_suspended=False, sweeper_beats_ms=[1])
    return [finding.code for finding in judge_redis(state, asked or RedisSettings(), fails_over=fails_over)]
