"""The commands of sorted sets, as a Redis in memory has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.redis_state import RedisState, number, text


def _zadd(redis: RedisState, key: str, *args: Any) -> int:
    flags = []
    while args and str(args[0]).upper() in {"NX", "XX", "GT", "LT", "CH"}:
        flags.append(str(args[0]).upper())
        args = args[1:]
    held = redis.sorted(key)
    before = len(held)
    for score, member in zip(args[::2], args[1::2], strict=True):
        name, number = text(member), float(score)
        known = held.get(name)
        if (known is not None and "NX" in flags) or (known is None and "XX" in flags):
            continue
        if known is not None and (("GT" in flags and number <= known) or ("LT" in flags and number >= known)):
            continue
        held[name] = number
    return len(held) - before


def _zrem(redis: RedisState, key: str, *members: Any) -> int:
    held = redis.get(key)
    if held is None:
        return 0
    count = sum(held.pop(text(member), None) is not None for member in members)
    redis.drop_empty(key)
    return count


def _zscore(redis: RedisState, key: str, member: Any) -> str | None:
    score = (redis.get(key) or {}).get(text(member))
    return None if score is None else number(score)


def _zcard(redis: RedisState, key: str) -> int:
    return len(redis.get(key) or ())


def _zrange(redis: RedisState, key: str, start: Any, stop: Any, *options: Any) -> list[str]:
    held = redis.get(key)
    if not held:
        return []
    first, last = int(start), int(stop)
    members = held.ordered()[first : None if last == -1 else last + 1]
    if options and str(options[0]).upper() == "WITHSCORES":
        return [part for member in members for part in (member, number(held[member]))]
    return members


def _zrangebyscore(redis: RedisState, key: str, low: Any, high: Any, *options: Any) -> list[str]:
    held = redis.get(key)
    if not held:
        return []
    within = _between(low, high)
    scored = bool(options) and str(options[0]).upper() == "WITHSCORES"
    found = _limited([member for member in held.ordered() if within(held[member])], options[scored:])
    return [part for member in found for part in (member, number(held[member]))] if scored else found


def _between(low: Any, high: Any) -> Callable[[float], bool]:
    bottom, top = str(low), str(high)
    lowest, highest = float(bottom.lstrip("(")), float(top.lstrip("("))
    return lambda score: (
        (score > lowest if bottom.startswith("(") else score >= lowest)
        and (score < highest if top.startswith("(") else score <= highest)
    )


def _zrangebylex(redis: RedisState, key: str, low: Any, high: Any, *options: Any) -> list[str]:
    within = _between_lex(str(low), str(high))
    return _limited([member for member in sorted(redis.get(key) or ()) if within(member)], options)


def _zrevrangebylex(redis: RedisState, key: str, high: Any, low: Any, *options: Any) -> list[str]:
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


def _zrevrange(redis: RedisState, key: str, start: Any, stop: Any) -> list[str]:
    members = _zrange(redis, key, 0, -1)[::-1]
    return members[int(start) : None if int(stop) == -1 else int(stop) + 1]


def _zremrangebyrank(redis: RedisState, key: str, start: Any, stop: Any) -> int:
    return _zrem(redis, key, *found) if (found := _zrange(redis, key, start, stop)) else 0


def _zremrangebyscore(redis: RedisState, key: str, low: Any, high: Any) -> int:
    return _zrem(redis, key, *found) if (found := _zrangebyscore(redis, key, low, high)) else 0


def _zcount(redis: RedisState, key: str, low: Any, high: Any) -> int:
    return len(_zrangebyscore(redis, key, low, high))


SORTED_COMMANDS: dict[str, Callable[..., Any]] = {
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
