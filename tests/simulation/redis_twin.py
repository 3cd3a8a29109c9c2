"""A Redis in memory: the commands that the ledger uses, with the meaning they have in Redis.

The ledger's real Lua scripts run on it (lua.py), so no second version of their rules has to be kept true.
tests/contract/test_ledger_twin.py holds it to a real Redis. Values are text; a command that is missing here
says so by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Value = Any
"""What a key holds: `str`, `Hash`, `Sorted`, `list` or `set`."""


class Hash(dict[str, str]):
    """A hash: field -> value."""

    def copy(self) -> Hash:
        return Hash(self)


class Sorted(dict[str, float]):
    """A sorted set: member -> score."""

    def copy(self) -> Sorted:
        return Sorted(self)

    def ordered(self) -> list[str]:
        if len(self) < 2:
            return list(self)
        return sorted(self, key=lambda member: (self[member], member))


class RedisTwin:
    """One database.

    `clock_ms` is its own wall clock; `run_id` changes with every start; `bells` counts
    the bells that were ever made, since their ids are never used twice.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.clock_ms = clock_ms
        self.keys: dict[str, Value] = {}
        self.expires_ms: dict[str, int] = {}
        self.starts = 1
        self.bells = 0
        self.config = {"appendonly": "yes", "appendfsync": "everysec"}

    @property
    def run_id(self) -> str:
        return f"{self.starts:040x}"

    def call(self, command: str, *args: Any) -> Any:
        """Run one command. None stands for nil; lists are arrays; ints are integers."""
        try:
            act = COMMANDS[command]
        except KeyError:
            raise NotImplementedError(f"tests/simulation/redis_twin.py does not know {command} yet") from None
        return act(self, *args)

    def restart(self, *, forget: dict[str, Value] | None = None) -> None:
        """Start anew: with what it held, or with an earlier `snapshot`."""
        self.starts += 1
        if forget is not None:
            self.keys = forget

    def snapshot(self) -> dict[str, Value]:
        return {key: value if isinstance(value, str) else value.copy() for key, value in self.keys.items()}

    def get(self, key: str) -> Value | None:
        if key in self.expires_ms and self.expires_ms[key] <= self.clock_ms():
            self.keys.pop(key, None)
            del self.expires_ms[key]
        return self.keys.get(key)

    def hash(self, key: str) -> Hash:
        return self._made(key, Hash)

    def sorted(self, key: str) -> Sorted:
        return self._made(key, Sorted)

    def drop_empty(self, key: str) -> None:
        if not self.keys[key]:
            del self.keys[key]

    def _made(self, key: str, kind: type[Any]) -> Any:
        value = self.get(key)
        if value is None:
            value = self.keys[key] = kind()
        return value


def _text(value: Any) -> str:
    return value if type(value) is str else _number(value) if not isinstance(value, bytes) else value.decode()


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _time(redis: RedisTwin) -> list[str]:
    now = redis.clock_ms()
    return [str(now // 1000), str(now % 1000 * 1000)]


def _info(redis: RedisTwin, section: str = "all") -> str:
    if section == "replication":
        return "role:master\r\nconnected_slaves:0\r\n"
    return f"# Server\r\nredis_version:7.2.0\r\nrun_id:{redis.run_id}\r\n"


def _get(redis: RedisTwin, key: str) -> str | None:
    return redis.get(key)


def _set(redis: RedisTwin, key: str, value: Any, *options: Any) -> str | None:
    flags = [_text(option).upper() for option in options]
    if "NX" in flags and redis.get(key) is not None:
        return None
    redis.keys[key] = _text(value)
    redis.expires_ms.pop(key, None)
    for flag, factor in (("PX", 1), ("EX", 1000)):
        if flag in flags:
            length = int(float(options[flags.index(flag) + 1]))
            redis.expires_ms[key] = redis.clock_ms() + length * factor
    return "OK"


def _exists(redis: RedisTwin, *keys: str) -> int:
    return sum(redis.get(key) is not None for key in keys)


def _del(redis: RedisTwin, *keys: str) -> int:
    return sum(redis.keys.pop(key, None) is not None for key in keys)


def _rename(redis: RedisTwin, key: str, name: str) -> str:
    redis.keys[name] = redis.keys.pop(key)
    return "OK"


def _expire(redis: RedisTwin, key: str, length: Any, factor: int = 1000) -> int:
    if redis.get(key) is None:
        return 0
    redis.expires_ms[key] = redis.clock_ms() + int(float(length)) * factor
    return 1


def _incrby(redis: RedisTwin, key: str, by: Any = 1) -> int:
    number = int(redis.get(key) or 0) + int(by)
    redis.keys[key] = str(number)
    return number


def _hget(redis: RedisTwin, key: str, field: Any) -> str | None:
    held = redis.get(key)
    return held.get(_text(field)) if held else None


def _hmget(redis: RedisTwin, key: str, *fields: Any) -> list[str | None]:
    held = redis.get(key) or {}
    return [held.get(_text(field)) for field in fields]


def _hset(redis: RedisTwin, key: str, *pairs: Any) -> int:
    held = redis.hash(key)
    before = len(held)
    for field, value in zip(pairs[::2], pairs[1::2], strict=True):
        held[_text(field)] = _text(value)
    return len(held) - before


def _hsetnx(redis: RedisTwin, key: str, field: Any, value: Any) -> int:
    return 0 if _hget(redis, key, field) is not None else _hset(redis, key, field, value)


def _hdel(redis: RedisTwin, key: str, *fields: Any) -> int:
    held = redis.get(key)
    if held is None:
        return 0
    count = sum(held.pop(_text(field), None) is not None for field in fields)
    redis.drop_empty(key)
    return count


def _hgetall(redis: RedisTwin, key: str) -> list[str]:
    held = redis.get(key) or {}
    return [part for pair in held.items() for part in pair]


def _hincrby(redis: RedisTwin, key: str, field: Any, by: Any) -> int:
    number = int(_hget(redis, key, field) or 0) + int(by)
    _hset(redis, key, field, str(number))
    return number


def _zadd(redis: RedisTwin, key: str, *args: Any) -> int:
    flags = []
    while args and str(args[0]).upper() in {"NX", "XX", "GT", "LT", "CH"}:
        flags.append(str(args[0]).upper())
        args = args[1:]
    held = redis.sorted(key)
    before = len(held)
    for score, member in zip(args[::2], args[1::2], strict=True):
        name, number = _text(member), float(score)
        known = held.get(name)
        if (known is not None and "NX" in flags) or (known is None and "XX" in flags):
            continue
        if known is not None and (("GT" in flags and number <= known) or ("LT" in flags and number >= known)):
            continue
        held[name] = number
    return len(held) - before


def _zrem(redis: RedisTwin, key: str, *members: Any) -> int:
    return _hdel(redis, key, *members)


def _zscore(redis: RedisTwin, key: str, member: Any) -> str | None:
    score = (redis.get(key) or {}).get(_text(member))
    return None if score is None else _number(score)


def _zcard(redis: RedisTwin, key: str) -> int:
    return len(redis.get(key) or ())


def _zrange(redis: RedisTwin, key: str, start: Any, stop: Any, *options: Any) -> list[str]:
    held = redis.get(key)
    if not held:
        return []
    first, last = int(start), int(stop)
    members = held.ordered()[first : None if last == -1 else last + 1]
    if options and str(options[0]).upper() == "WITHSCORES":
        return [part for member in members for part in (member, _number(held[member]))]
    return members


def _zrangebyscore(redis: RedisTwin, key: str, low: Any, high: Any, *options: Any) -> list[str]:
    held = redis.get(key)
    if not held:
        return []
    within = _between(low, high)
    return _limited([member for member in held.ordered() if within(held[member])], options)


def _between(low: Any, high: Any) -> Callable[[float], bool]:
    bottom, top = str(low), str(high)
    lowest, highest = float(bottom.lstrip("(")), float(top.lstrip("("))
    return lambda score: (
        (score > lowest if bottom.startswith("(") else score >= lowest)
        and (score < highest if top.startswith("(") else score <= highest)
    )


def _zrangebylex(redis: RedisTwin, key: str, low: Any, high: Any, *options: Any) -> list[str]:
    within = _between_lex(str(low), str(high))
    return _limited([member for member in sorted(redis.get(key) or ()) if within(member)], options)


def _zrevrangebylex(redis: RedisTwin, key: str, high: Any, low: Any, *options: Any) -> list[str]:
    return _limited(_zrangebylex(redis, key, low, high)[::-1], options)


def _limited(members: list[str], options: tuple[Any, ...]) -> list[str]:
    if options and str(options[0]).upper() == "LIMIT":
        offset, count = int(options[1]), int(options[2])
        return members[offset : None if count < 0 else offset + count]
    return members


def _between_lex(low: str, high: str) -> Callable[[str], bool]:
    bottom, top = low[1:], high[1:]
    return lambda member: (
        (low == "-" or (member > bottom if low.startswith("(") else member >= bottom))
        and (high == "+" or (member < top if high.startswith("(") else member <= top))
    )


def _zrevrange(redis: RedisTwin, key: str, start: Any, stop: Any) -> list[str]:
    members = _zrange(redis, key, 0, -1)[::-1]
    return members[int(start) : None if int(stop) == -1 else int(stop) + 1]


def _zremrangebyrank(redis: RedisTwin, key: str, start: Any, stop: Any) -> int:
    return _zrem(redis, key, *found) if (found := _zrange(redis, key, start, stop)) else 0


def _zremrangebyscore(redis: RedisTwin, key: str, low: Any, high: Any) -> int:
    return _zrem(redis, key, *found) if (found := _zrangebyscore(redis, key, low, high)) else 0


def _zcount(redis: RedisTwin, key: str, low: Any, high: Any) -> int:
    return len(_zrangebyscore(redis, key, low, high))


def _sadd(redis: RedisTwin, key: str, *members: Any) -> int:
    held: set[str] = redis._made(key, set)
    before = len(held)
    held.update(map(_text, members))
    return len(held) - before


def _srem(redis: RedisTwin, key: str, *members: Any) -> int:
    held: set[str] = redis.get(key) or set()
    before = len(held)
    held.difference_update(map(_text, members))
    if key in redis.keys:
        redis.drop_empty(key)
    return before - len(held)


def _smembers(redis: RedisTwin, key: str) -> list[str]:
    return sorted(redis.get(key) or ())


def _scard(redis: RedisTwin, key: str) -> int:
    return len(redis.get(key) or ())


def _rpush(redis: RedisTwin, key: str, *values: Any) -> int:
    held: list[str] = redis._made(key, list)
    held.extend(map(_text, values))
    return len(held)


def _lpop(redis: RedisTwin, key: str) -> str | None:
    held: list[str] | None = redis.get(key)
    if not held:
        return None
    first = held.pop(0)
    redis.drop_empty(key)
    return first


def _llen(redis: RedisTwin, key: str) -> int:
    return len(redis.get(key) or ())


def _lpos(redis: RedisTwin, key: str, value: Any) -> int | None:
    held: list[str] = redis.get(key) or []
    return held.index(_text(value)) if _text(value) in held else None


def _xadd(redis: RedisTwin, key: str, *_: Any) -> str:
    """Streams hold notes that no rule reads: only their length is kept."""
    return f"0-{_rpush(redis, key, '')}"


def _config(redis: RedisTwin, _: str, pattern: str) -> list[str]:
    named = pattern.rstrip("*")
    return [part for pair in redis.config.items() if pair[0].startswith(named) for part in pair]


COMMANDS: dict[str, Callable[..., Any]] = {
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
    "ZADD": _zadd,
    "ZCARD": _zcard,
    "ZCOUNT": _zcount,
    "ZLEXCOUNT": lambda redis, key, low, high: len(_zrangebylex(redis, key, low, high)),
    "ZRANGE": _zrange,
    "ZRANGEBYLEX": _zrangebylex,
    "ZRANGEBYSCORE": _zrangebyscore,
    "ZREM": _zrem,
    "ZREMRANGEBYRANK": _zremrangebyrank,
    "ZREMRANGEBYSCORE": _zremrangebyscore,
    "ZREVRANGE": _zrevrange,
    "ZREVRANGEBYLEX": _zrevrangebylex,
    "ZSCORE": _zscore,
}
