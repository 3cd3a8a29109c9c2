"""The Redis in memory that the simulation plays on, held to a real one command by command."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.simulation.redis_twin import RedisTwin

COMMANDS = 4_000
ASK = "return redis.call(unpack(ARGV))"
NOW_MS = 1_790_000_000_000
OF_KIND = {
    "string": "GET|SET rank|SET rank NX|SET rank PX 100000|INCR|INCRBY rank",
    "hash": "HGET word|HSET word word word word|HMGET word word|HGETALL|HDEL word word|HEXISTS word|HLEN"
    "|HINCRBY n rank|HSETNX word word",
    "zset": "ZADD score word score word|ZADD NX score word|ZADD XX score word|ZADD GT score word"
    "|ZADD LT score word|ZREM word word|ZSCORE word|ZCARD|ZRANGE rank rank|ZRANGE rank rank WITHSCORES"
    "|ZREVRANGE rank rank|ZRANGEBYSCORE bound bound|ZRANGEBYSCORE bound bound WITHSCORES"
    "|ZRANGEBYSCORE bound bound LIMIT count rank|ZCOUNT bound bound|ZREMRANGEBYRANK rank rank"
    "|ZREMRANGEBYSCORE bound bound",
    "lex": "ZADD 0 word 0 word|ZREM word|ZRANGEBYLEX lex lex|ZREVRANGEBYLEX lex lex|ZLEXCOUNT lex lex"
    "|ZRANGEBYLEX lex lex LIMIT count rank|ZREVRANGEBYLEX lex lex LIMIT count rank",
    "set": "SADD word word|SREM word word|SCARD|SMEMBERS",
    "list": "RPUSH word word|LPOP|LLEN|LPOS word",
    "any": "DEL|DEL string:1|EXISTS|EXISTS hash:1|RENAME zset:2|RENAME list:1|EXPIRE 100|PEXPIRE 100000",
}
WORDS = ("a", "b", "ab", "B", "\N{SNOWMAN}", "x\0y", "10", "9")
SCORES = ("-2", "-1", "0", "1", "2", "3.5", "1790000000123")
DRAWN: dict[str, Callable[[random.Random], str]] = {
    "word": lambda rng: rng.choice(WORDS),
    "score": lambda rng: rng.choice(SCORES),
    "rank": lambda rng: str(rng.randrange(-3, 4)),
    "count": lambda rng: str(rng.randrange(3)),
    "lex": lambda rng: rng.choice(["-", "+", *(f"{mark}{rng.choice(WORDS)}" for mark in "[(")]),
    "bound": lambda rng: rng.choice(["-inf", "+inf", rng.choice(SCORES), f"({rng.choice(SCORES)}"]),
}


@pytest.mark.parametrize("seed", range(3))
def test_both_answer_alike(seed: int, redis_url: str):
    """Whatever the ledger asks of Redis, the one in memory answers as a real one does, its refusals too."""
    rng, twin = random.Random(seed), RedisTwin(lambda: NOW_MS)
    with redis.Redis.from_url(redis_url) as real:
        ask = real.register_script(ASK)
        for _ in range(COMMANDS):
            command = _command(rng)
            expected = _answer(lambda asked: _texts(ask(args=asked)), command)
            assert _answer(lambda asked: twin.run(ASK, asked), command) == expected, command


def _command(rng: random.Random) -> list[str]:
    """One of the commands, now and then for a key of another kind. (By member Redis finds nothing that counts
    where scores differ.)
    """
    kind = rng.choice(list(OF_KIND))
    others = [other for other in OF_KIND if {kind, other} != {"zset", "lex"}]
    of_key = rng.choice(others) if kind == "any" or not rng.randrange(50) else kind
    name, *told = rng.choice(OF_KIND[kind].split("|")).split()
    return [
        name,
        f"{of_key}:{rng.randrange(2)}",
        *(DRAWN[word](rng) if word in DRAWN else word for word in told),
    ]


def _answer(ask: Callable[[list[str]], Any], command: list[str]) -> Any:
    """What came back; members of a set are in no order, and of a refusal its kind counts."""
    try:
        answer = ask(command)
    except Exception as refused:  # noqa: BLE001 - two clients, two kinds of errors
        return next((words for words in ("WRONGTYPE", "no such key") if words in str(refused)), "refused")
    return sorted(answer) if command[0] == "SMEMBERS" else answer


def _texts(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_texts(item) for item in answer]
    return answer.decode("utf-8", "surrogateescape") if isinstance(answer, bytes) else answer
