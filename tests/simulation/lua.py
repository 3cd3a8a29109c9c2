"""Runs the ledger's real Lua scripts, as Redis would, on a Redis in memory. Text here is bytes, a character
for each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lupa import luajit21

from tests.simulation.redis_state import as_kept, as_text
from tests.simulation.redis_twin import ARRAYS, COMMANDS, RedisTwin

SANDBOX = """
local tools, commands, arrays = ...
-- What is compiled ends at each call of a command, and costs more than it gains.
jit.off()
cjson = { decode = tools.decode, encode = tools.encode }
redis = { sha1hex = tools.sha1hex }
function redis.call(command, ...)
  local array = arrays[command]
  if array then
    return { array(...) }
  end
  local act = commands[command] or error(command .. ' is not known to redis_twin.py yet')
  local answer = act(...)
  if answer == nil then
    return false
  end
  return answer
end
"""


class Lua:
    """One interpreter, and the scripts it has compiled. Shared by all histories of a process: scripts keep
    nothing between two calls. LuaJIT's speaks the Lua 5.1 that is in Redis, and takes a sixth off a history.
    """

    def __init__(self) -> None:
        self._lua = luajit21.LuaRuntime(
            encoding="latin-1", register_eval=False, register_builtins=False, unpack_returned_tuples=True
        )
        self._table = self._lua.table_from
        self._redis: RedisTwin
        self._compiled: dict[str, Any] = {}
        tools = {"decode": self._decode, "encode": self._encode, "sha1hex": _sha1hex}
        commands = {name: self._command(act) for name, act in COMMANDS.items()}
        arrays = {name: self._array(COMMANDS[name]) for name in ARRAYS}
        self._lua.execute(SANDBOX, *map(self._table, (tools, commands, arrays)))
        self._unpacked = self._lua.eval("function(t) return 0, 0, unpack(t) end")

    def run(self, source: str, redis: RedisTwin, args: list[Any]) -> Any:
        """What the script answers, as a client reads it: text, ints, lists and None."""
        script = self._compiled.get(source)
        if script is None:
            script = self._compiled[source] = self._lua.compile(f"local KEYS, ARGV = {{}}, {{...}}\n{source}")
        self._redis = redis
        return _answer(self._plain(script(*map(as_kept, args))))

    def _command(self, act: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: act(self._redis, *args)

    def _array(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Many values at once make no table here, which would cost as much as the rest of the call."""
        return lambda *args: tuple([False if item is None else item for item in act(self._redis, *args)])

    def _decode(self, text: str) -> Any:
        value = json.loads(text)
        return self._table(value, recursive=True) if type(value) in {list, dict} else value

    def _encode(self, value: Any) -> str:
        return json.dumps(self._plain(value), ensure_ascii=False)

    def _plain(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is int:
            return value
        if value is False or value is None:
            return None
        return [self._plain(item) for item in self._unpacked(value)[2:]]


@lru_cache(4_096)
def _sha1hex(text: str) -> str:
    return hashlib.sha1(text.encode("latin-1")).hexdigest()


def _answer(value: Any) -> Any:
    if type(value) is str:
        return as_text(value)
    return [_answer(item) for item in value] if type(value) is list else value


LUA = Lua()
