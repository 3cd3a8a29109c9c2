"""Runs the ledger's real Lua scripts, as Redis would, on a Redis in memory."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lupa import luajit21

from tests.simulation.redis_twin import COMMANDS, RedisTwin

SANDBOX = """
local call = ...
-- What is compiled ends at each call of a command, and costs more than it gains.
jit.off()
cjson = { decode = call.decode, encode = call.encode }
redis = { call = call.redis, sha1hex = call.sha1hex }
"""


class Lua:
    """One interpreter, and the scripts it has compiled. Shared by all histories of a process: scripts keep
    nothing between two calls. LuaJIT's speaks the Lua 5.1 that is in Redis, and takes a sixth off a history.
    """

    def __init__(self) -> None:
        self._lua = luajit21.LuaRuntime(encoding="utf-8", register_eval=False, register_builtins=False)
        self._table = self._lua.table_from
        self._redis: RedisTwin
        self._compiled: dict[str, Any] = {}
        tools = self._table(
            {"redis": self._call, "decode": self._decode, "encode": self._encode, "sha1hex": _sha1hex}
        )
        self._lua.execute(SANDBOX, tools)
        self._unpacked = self._lua.eval("function(t) return 0, 0, unpack(t) end")

    def run(self, source: str, redis: RedisTwin, args: list[Any]) -> Any:
        """What the script answers: text, ints, lists and None."""
        script = self._compiled.get(source)
        if script is None:
            script = self._compiled[source] = self._lua.compile(f"local KEYS, ARGV = {{}}, ...\n{source}")
        self._redis = redis
        return self._plain(script(self._table([_argument(value) for value in args])))

    def _call(self, command: str, *args: Any) -> Any:
        answer = COMMANDS[command](self._redis, *args)
        if answer is None:
            return False
        if type(answer) is list:
            return self._table([False if item is None else item for item in answer])
        return answer

    def _decode(self, text: str) -> Any:
        return self._nested(json.loads(text))

    def _encode(self, value: Any) -> str:
        return json.dumps(self._plain(value))

    def _nested(self, value: Any) -> Any:
        if type(value) is list:
            return self._table([self._nested(item) for item in value])
        if type(value) is dict:
            return self._table({key: self._nested(item) for key, item in value.items()})
        return value

    def _plain(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is int:
            return value
        if value is False or value is None:
            return None
        return [self._plain(item) for item in self._unpacked(value)[2:]]


def _sha1hex(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def _argument(value: Any) -> str:
    return value if type(value) is str else value.decode() if isinstance(value, bytes) else str(value)


LUA = Lua()
