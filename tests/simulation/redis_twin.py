"""A Redis in memory: the commands that the ledger uses, with the meaning they have in Redis.

The ledger's real Lua scripts run on it (lua.py), so no second version of their rules has to be kept true.
tests/contract/test_ledger_twin.py holds it to a real Redis. Values are bytes, held as text with a
character for each; a command that is missing here
says so by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.redis_sorted import SORTED_COMMANDS
from tests.simulation.redis_state import RedisState, text


class RedisTwin(RedisState):
    """One database, and what it can be asked."""

    def call(self, command: str, *args: Any) -> Any:
        """Run one command. None stands for nil; lists are arrays; ints are integers."""
        try:
            act = COMMANDS[command]
        except KeyError:
            raise NotImplementedError(f"tests/simulation/redis_twin.py does not know {command} yet") from None
        return act(self, *args)


def _time(redis: RedisState) -> list[str]:
    now = redis.clock_ms()
    return [str(now // 1000), str(now % 1000 * 1000)]


def _info(redis: RedisState, section: str = "all") -> str:
    if section == "replication":
        return "role:master\r\nconnected_slaves:0\r\n"
    return f"# Server\r\nredis_version:7.2.0\r\nrun_id:{redis.run_id}\r\n"


def _get(redis: RedisState, key: str) -> str | None:
    return redis.get(key)


def _set(redis: RedisState, key: str, value: Any, *options: Any) -> str | None:
    flags = [text(option).upper() for option in options]
    if "NX" in flags and redis.get(key) is not None:
        return None
    redis.keys[key] = text(value)
    redis.expires_ms.pop(key, None)
    for flag, factor in (("PX", 1), ("EX", 1000)):
        if flag in flags:
            length = int(float(options[flags.index(flag) + 1]))
            redis.expires_ms[key] = redis.clock_ms() + length * factor
    return "OK"


def _exists(redis: RedisState, *keys: str) -> int:
    return sum(redis.get(key) is not None for key in keys)


def _del(redis: RedisState, *keys: str) -> int:
    return sum(redis.keys.pop(key, None) is not None for key in keys)


def _rename(redis: RedisState, key: str, name: str) -> str:
    redis.keys[name] = redis.keys.pop(key)
    return "OK"


def _expire(redis: RedisState, key: str, length: Any, factor: int = 1000) -> int:
    if redis.get(key) is None:
        return 0
    redis.expires_ms[key] = redis.clock_ms() + int(float(length)) * factor
    return 1


def _incrby(redis: RedisState, key: str, by: Any = 1) -> int:
    number = int(redis.get(key) or 0) + int(by)
    redis.keys[key] = str(number)
    return number


def _hget(redis: RedisState, key: str, field: Any) -> str | None:
    held = redis.get(key)
    return held.get(text(field)) if held else None


def _hmget(redis: RedisState, key: str, *fields: Any) -> list[str | None]:
    held = redis.get(key) or {}
    return [held.get(text(field)) for field in fields]


def _hset(redis: RedisState, key: str, *pairs: Any) -> int:
    held = redis.hash(key)
    before = len(held)
    for field, value in zip(pairs[::2], pairs[1::2], strict=True):
        held[text(field)] = text(value)
    return len(held) - before


def _hsetnx(redis: RedisState, key: str, field: Any, value: Any) -> int:
    return 0 if _hget(redis, key, field) is not None else _hset(redis, key, field, value)


def _hdel(redis: RedisState, key: str, *fields: Any) -> int:
    held = redis.get(key)
    if held is None:
        return 0
    count = sum(held.pop(text(field), None) is not None for field in fields)
    redis.drop_empty(key)
    return count


def _hgetall(redis: RedisState, key: str) -> list[str]:
    held = redis.get(key) or {}
    return [part for pair in held.items() for part in pair]


def _hincrby(redis: RedisState, key: str, field: Any, by: Any) -> int:
    number = int(_hget(redis, key, field) or 0) + int(by)
    _hset(redis, key, field, str(number))
    return number


def _sadd(redis: RedisState, key: str, *members: Any) -> int:
    held: set[str] = redis._made(key, set)
    before = len(held)
    held.update(map(text, members))
    return len(held) - before


def _srem(redis: RedisState, key: str, *members: Any) -> int:
    held: set[str] = redis.get(key) or set()
    before = len(held)
    held.difference_update(map(text, members))
    if key in redis.keys:
        redis.drop_empty(key)
    return before - len(held)


def _smembers(redis: RedisState, key: str) -> list[str]:
    return sorted(redis.get(key) or ())


def _scard(redis: RedisState, key: str) -> int:
    return len(redis.get(key) or ())


def _rpush(redis: RedisState, key: str, *values: Any) -> int:
    held: list[str] = redis._made(key, list)
    held.extend(map(text, values))
    return len(held)


def _lpop(redis: RedisState, key: str) -> str | None:
    held: list[str] | None = redis.get(key)
    if not held:
        return None
    first = held.pop(0)
    redis.drop_empty(key)
    return first


def _llen(redis: RedisState, key: str) -> int:
    return len(redis.get(key) or ())


def _lpos(redis: RedisState, key: str, value: Any) -> int | None:
    held: list[str] = redis.get(key) or []
    return held.index(text(value)) if text(value) in held else None


def _xadd(redis: RedisState, key: str, *_: Any) -> str:
    """Streams hold notes that no rule reads: only their length is kept."""
    return f"0-{_rpush(redis, key, '')}"


def _config(redis: RedisState, _: str, pattern: str) -> list[str]:
    named = pattern.rstrip("*")
    return [part for pair in redis.config.items() if pair[0].startswith(named) for part in pair]


COMMANDS: dict[str, Callable[..., Any]] = {
    **SORTED_COMMANDS,
    "CONFIG": _config,
    "DEL": _del,
    "EXISTS": _exists,
    "EXPIRE": _expire,
    "GET": _get,
    "HDEL": _hdel,
    "HEXISTS": lambda redis, key, field: int(_hget(redis, key, field) is not None),
    "HGET": _hget,
    "HGETALL": _hgetall,
    "HINCRBY": _hincrby,
    "HLEN": _scard,
    "HMGET": _hmget,
    "HSET": _hset,
    "HSETNX": _hsetnx,
    "INCR": _incrby,
    "INCRBY": _incrby,
    "INFO": _info,
    "LLEN": _llen,
    "LPOP": _lpop,
    "LPOS": _lpos,
    "PEXPIRE": lambda redis, key, length: _expire(redis, key, length, 1),
    "RENAME": _rename,
    "RPUSH": _rpush,
    "SADD": _sadd,
    "SCARD": _scard,
    "SET": _set,
    "SMEMBERS": _smembers,
    "SREM": _srem,
    "TIME": _time,
    "XADD": _xadd,
}

ARRAYS = frozenset(
    {
        "CONFIG",
        "HGETALL",
        "HMGET",
        "SMEMBERS",
        "TIME",
        "ZRANGE",
        "ZRANGEBYLEX",
        "ZRANGEBYSCORE",
        "ZREVRANGE",
        "ZREVRANGEBYLEX",
    }
)
"""The commands that answer with several values."""
