"""What Redis would lose or refuse, and what the settings ask of it in vain (docs/durability.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.check.finding import Finding
from service.settings import RedisSettings

OLDEST_REDIS = (6, 2)
OLDEST_VALKEY = (7, 2)
OLDEST_WITH_WAITAOF = (7, 2)
FULL_MEMORY_SHARE = 0.8
EVERYSEC_WAIT_MS = 1_300
"""`WAITAOF` with `appendfsync everysec` was measured to take up to 1.2 s (Redis 8.2)."""


@dataclass(frozen=True, slots=True)
class RedisState:
    """What Redis tells of itself and of the workers.

    `info` is the answer to INFO. `config` is None where CONFIG is forbidden, as managed Redis does.
    `sweeper_beats_ms` are the latest beats of all sweepers, in unix ms.
    """

    info: Mapping[str, Any]
    config: Mapping[str, str] | None
    workers: int
    is_suspended: bool
    sweeper_beats_ms: Sequence[int]

    @property
    def version(self) -> tuple[int, ...]:
        """Valkey tells, as its Redis version, the one that clients may take it for."""
        told = self.info.get("valkey_version") or self.info.get("redis_version", "")
        return tuple(int(part) for part in re.findall(r"\d+", str(told))[:2])

    @property
    def is_valkey(self) -> bool:
        return "valkey_version" in self.info

    @property
    def waitaof_is_premature(self) -> bool:
        """Where appendfsync is everysec: redis/redis#13793, and Valkey 8.1.8 and 9.1.2 under strace."""
        return self.is_valkey or (7, 4) <= self.version < (8, 0)

    @property
    def online_replicas(self) -> int:
        slaves = (
            self.info.get(f"slave{number}") for number in range(int(self.info.get("connected_slaves", 0)))
        )
        return sum(isinstance(slave, Mapping) and slave.get("state") == "online" for slave in slaves)

    def configured(self, name: str) -> str | None:
        return None if self.config is None else self.config.get(name)


def redis_missing() -> Finding:
    return Finding(
        "error", "redis_missing", "REDIS_URL is not set", "set it to the Redis that keeps the ledger"
    )


def redis_refused(words: str) -> Finding:
    return Finding(
        "error",
        "redis_refused",
        f"Redis refuses us: {words}",
        "correct user and password in REDIS_URL, or what Redis permits that user",
    )


def redis_out_of_reach(words: str) -> Finding:
    return Finding(
        "error",
        "redis_out_of_reach",
        f"Redis does not answer: {words}",
        "start it, or correct REDIS_URL; until then webhooks are answered with 503",
    )


def judge_redis(state: RedisState, asked: RedisSettings, *, fails_over: bool) -> Iterator[Finding]:
    """Find what would lose or refuse records, or needs another server. `fails_over`: sentinels may make
    another Redis the master, whatever this one knows of replicas.
    """
    yield from _judge_version(state)
    if state.info.get("role") == "slave":
        # What it is told of files and replicas is not what the master's writes go by.
        yield Finding(
            "error",
            "redis_replica",
            "this Redis is a replica: it refuses writes",
            "point REDIS_URL at the master, or at the sentinels",
        )
        return
    yield from _judge_disk(state, asked)
    yield from _judge_snapshots(state)
    yield from _judge_replicas(state, asked, fails_over=fails_over)
    yield from _judge_memory(state.info)


def _judge_version(state: RedisState) -> Iterator[Finding]:
    name = "Valkey" if state.is_valkey else "Redis"
    told = state.info.get("valkey_version") or state.info.get("redis_version", "")
    if state.version < (OLDEST_VALKEY if state.is_valkey else OLDEST_REDIS):
        yield Finding(
            "error",
            "redis_too_old",
            f"{name} {told} is too old",
            "install Redis 6.2 or newer, or Valkey 7.2 or newer",
        )
    if state.info.get("cluster_enabled"):
        yield Finding(
            "error",
            "redis_cluster",
            "this Redis is part of a cluster: our scripts and RQ's use keys of many slots at once",
            "use a Redis without cluster mode; sentinels or a managed service make it highly available",
        )


def _judge_disk(state: RedisState, asked: RedisSettings) -> Iterator[Finding]:
    appendfsync = state.configured("appendfsync")
    if not state.info.get("aof_enabled"):
        yield Finding(
            "error",
            "redis_without_aof",
            "Redis keeps no append-only file: a restart forgets accepted deliveries"
            + (", and wait_aof has nothing to wait for: all are answered 503" if asked.wait_aof else ""),
            "set appendonly yes",
        )
        return
    if state.info.get("aof_last_write_status", "ok") != "ok":
        yield Finding(
            "error",
            "redis_aof_failing",
            "Redis cannot write its append-only file",
            "look at its disk and its log",
        )
    if asked.wait_aof:
        yield from _judge_waitaof(state, asked, appendfsync)
    if appendfsync == "no":
        yield Finding(
            "error",
            "redis_appendfsync_no",
            "Redis leaves it to the kernel when records reach the disk: a power cut may lose half a minute",
            "set appendfsync everysec, or always",
        )
    elif appendfsync is None:
        yield Finding(
            "warning",
            "redis_config_unreadable",
            "Redis forbids CONFIG, so when it writes to the disk (appendfsync) cannot be read",
            "look it up where this Redis is managed: everysec or always is right",
        )
    elif appendfsync != "always" and not asked.wait_aof:
        yield Finding(
            "warning",
            "redis_forgets_at_power_cut",
            "appendfsync everysec: a power cut may forget the last second of deliveries that were answered",
            "set appendfsync always, or wait_aof = true under [redis] (docs/durability.md)",
        )


def _judge_snapshots(state: RedisState) -> Iterator[Finding]:
    """Redis takes no writes while the last snapshot that it is told to make has failed."""
    is_off = state.configured("save") == "" or state.configured("stop-writes-on-bgsave-error") == "no"
    if state.info.get("rdb_last_bgsave_status", "ok") != "ok" and not is_off:
        yield Finding(
            "error",
            "redis_snapshot_failing",
            "Redis could not write its last snapshot, and takes no writes until it can: every delivery is"
            " answered 503",
            'look at its disk and its log; the append-only file needs no snapshots beside it (save "")',
        )


def _judge_waitaof(state: RedisState, asked: RedisSettings, appendfsync: str | None) -> Iterator[Finding]:
    if state.version < OLDEST_WITH_WAITAOF:
        yield Finding(
            "error",
            "redis_without_waitaof",
            "wait_aof is set, and this Redis does not know WAITAOF: every delivery is answered 503",
            "install Redis 7.2 or newer, or Valkey; or set appendfsync always and wait_aof = false",
        )
    elif appendfsync == "everysec" and state.waitaof_is_premature:
        yield Finding(
            "error",
            "redis_waitaof_premature",
            "this Redis answers WAITAOF before the disk has it where appendfsync is everysec (a fault"
            " of Redis 7.4 and of Valkey, mended in Redis 8): wait_aof promises nothing",
            "set appendfsync always, which costs little here (docs/durability.md)",
        )
    elif appendfsync == "everysec" and asked.wait_timeout_ms < EVERYSEC_WAIT_MS:
        yield Finding(
            "warning",
            "redis_wait_too_short",
            f"wait_timeout_ms is {asked.wait_timeout_ms}, and with appendfsync everysec the disk may take"
            " 1.2 s: deliveries are answered 503 now and then",
            f"set wait_timeout_ms to {EVERYSEC_WAIT_MS} or more, or appendfsync always",
        )


def _judge_replicas(state: RedisState, asked: RedisSettings, *, fails_over: bool) -> Iterator[Finding]:
    online, needed = state.online_replicas, int(state.configured("min-replicas-to-write") or 0)
    if needed > online:
        yield Finding(
            "error",
            "redis_takes_no_writes",
            f"Redis asks for {needed} replicas to write, and has {online}: every delivery is answered 503",
            "bring the replicas back, or lower min-replicas-to-write",
        )
    if asked.wait_replicas > online:
        yield Finding(
            "error",
            "redis_replicas_missing",
            f"wait_replicas asks for {asked.wait_replicas} replicas, and Redis has {online}:"
            " every delivery is answered 503, and nothing is sent to Acquire",
            "bring the replicas back, or lower wait_replicas under [redis]",
        )
    if (online or fails_over) and not asked.wait_replicas:
        yield Finding(
            "warning",
            "redis_forgets_at_failover",
            "a replica may take over without the latest deliveries that were answered",
            "set wait_replicas = 1 under [redis] (docs/durability.md)",
        )


def _judge_memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        yield Finding(
            "error",
            "redis_evicts",
            f"Redis throws records away when its memory is full (maxmemory-policy {policy})",
            "set maxmemory-policy noeviction",
        )
    limit_bytes, used_bytes = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit_bytes and used_bytes >= FULL_MEMORY_SHARE * limit_bytes:
        yield Finding(
            "warning",
            "redis_nearly_full",
            f"Redis uses {used_bytes * 100 // limit_bytes} % of its maxmemory; when full it takes no webhook",
            "raise maxmemory, or lower [retention]",
        )
