"""Loads the Lua scripts and runs them. Every script is whole or not at all, and safe to repeat (rule 14)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import redis.exceptions

from service.domain.errors import LedgerUnavailable
from service.json_text import compact
from service.ledger.durably import Durably, Written

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

    from service.ledger.durably import Wait

NAMES = (
    "admit",
    "again",
    "alert_change",
    "alert_end",
    "alert_take",
    "bodies",
    "calls",
    "case",
    "claim",
    "evict",
    "feed",
    "forget",
    "forgotten",
    "found",
    "heard",
    "link",
    "many",
    "overdue",
    "pace",
    "pause",
    "pick",
    "recall",
    "release",
    "renew",
    "reroot",
    "reserve",
    "retire",
    "ring",
    "stop",
    "take_in",
    "take_in_thread",
    "unlink",
    "verb",
    "write",
)
PING_KEY = "reopener:ping"

AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.NoPermissionError,
    OSError,
)
"""What a Redis that is away, starting, failing over, full or forbidding answers with, or does not."""
_TAKES_NOTHING = re.compile(
    r"\b(OOM|READONLY|NOREPLICAS|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY)\b"
    r"|read only replica|good replicas"
)
"""The same as words: what a command within a script met comes as an error of the script."""


_NEEDS = re.compile(r"^-- Needs: (.+)\.$", re.MULTILINE)
"""Names the parts (in scripts/parts) that come before a script or a part."""
_COMMENT_LINES = re.compile(r"^ *--.*\n", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")


class Scripts:
    """The scripts of this folder, by name, on one connection pool."""

    def __init__(self, connection: Redis, wait: Wait | None = None) -> None:
        self._connection = connection
        self._sources = _sources()
        self._registered: dict[str, AsyncScript] = {}
        self._durably = Durably(connection, wait) if wait else None

    async def run(self, name: str, *args: str | bytes | int) -> Any:
        """What the script returns, as text. Raises `LedgerUnavailable` where it is not known to have run."""
        return _text(await ask(self._script(name)(keys=[], args=list(args))))

    async def run_durably(self, name: str, *args: str | bytes | int) -> Any:
        """The same, where what was written has come as far as the settings ask. Raises `NotConfirmed` where
        it is written, but has not.
        """
        written = await self.write(name, *args)
        if written.confirm:
            await written.confirm()
        return written.answer

    async def write(self, name: str, *args: str | bytes | int) -> Written:
        """The same in two steps: what others write need not wait for the confirmation of this."""
        if self._durably is None:
            return Written(await self.run(name, *args))
        answer, confirm = await ask(self._durably.run(self._script(name), args))
        return Written(_text(answer), lambda: ask(confirm()))

    async def ping(self) -> None:
        """Raise `LedgerUnavailable` where Redis takes no writes, or does not confirm them: a replica, or one
        that is full, cannot take a webhook.
        """
        await ask(self._durably.ping() if self._durably else self._connection.set(PING_KEY, "1", ex=60))

    def _script(self, name: str) -> AsyncScript:
        """Registered when it is first run: hardly any process runs all of them."""
        registered = self._registered.get(name)
        if registered is None:
            registered = self._registered[name] = self._connection.register_script(self._sources[name])
        return registered


async def ask(asked: Awaitable[Any]) -> Any:
    """What Redis answers. Raises `LedgerUnavailable` where it is away or takes nothing now."""
    try:
        return await asked
    except AWAY as away:
        raise LedgerUnavailable(f"Redis did not confirm: {type(away).__name__}") from away
    except redis.exceptions.ResponseError as refused:
        told = _TAKES_NOTHING.search(str(refused))
        if told is None:
            raise
        raise LedgerUnavailable(f"Redis takes nothing now: {told[0]}") from refused


def packed(value: object) -> bytes:
    """JSON for a script. A lone half of a surrogate pair, which Lua's cjson refuses, becomes "?"."""
    # Copied: orjson's bytes hold on to all the room they were written in (4 kB for a delivery), and what a
    # script is told is kept for a Redis that forgets.
    return bytes(memoryview(compact(value, halves="replace")))


def packed_apart(value: object) -> list[bytes]:
    """The same where bytes are in it, for which JSON has no room: they follow it as arguments of their own,
    and in it stands the how-manieth of them each is.
    """
    places: dict[bytes, int] = {}

    def placed(raw: object) -> int:
        if not isinstance(raw, bytes):
            raise TypeError(f"JSON has no room for {type(raw).__name__}")
        return places.setdefault(raw, len(places) + 1)

    return [compact(value, halves="replace", default=placed), *places]


@cache
def _sources() -> dict[str, str]:
    """All of them, read when the first ledger is opened: later the files may be those of another version."""
    return {name: script(name) for name in NAMES}


@cache
def script(name: str) -> str:
    """A script as Redis gets it: the parts it needs come before it, without the functions that it does not
    use, since Redis makes each of them anew at every run.
    """
    whole = "\n".join([shared(*_needs(name)), _read(f"{name}.lua")])
    named_in: dict[str, set[str]] = defaultdict(set)
    for function in _FUNCTION.finditer(whole):
        named_in[function[1]].update(_NAME.findall(function[0]))
    used, named = set[str](), set(_NAME.findall(_FUNCTION.sub("", whole)))
    while new := named_in.keys() & named - used:
        used |= new
        named = set[str]().union(*(named_in[each] for each in new))
    return _FUNCTION.sub(lambda function: function[0] if function[1] in used else "", whole)


def shared(*names: str) -> str:
    """These parts of scripts, with those that they need themselves, in order."""
    parts = {"common": None}
    for name in names:
        parts |= dict.fromkeys(_in_order(name))
    return "\n".join(_read(f"parts/{part}.lua") for part in parts)


def _in_order(part: str) -> list[str]:
    return [each for need in _needs(f"parts/{part}") for each in _in_order(need)] + [part]


def _needs(name: str) -> list[str]:
    named = _NEEDS.search(_source(f"{name}.lua"))
    return named[1].split(", ") if named else []


def _read(path: str) -> str:
    """Without its comments: Redis keeps the text of a script for as long as it runs."""
    return _COMMENT_LINES.sub("", _source(path))


def _source(path: str) -> str:
    return resources.files(__package__).joinpath("scripts", path).read_text("utf-8")


def _text(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "surrogateescape")
    if isinstance(answer, list):
        return [_text(item) for item in answer]
    return answer
