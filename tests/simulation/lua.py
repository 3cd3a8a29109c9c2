"""Runs the ledger's real Lua scripts, as Redis would, beside a Redis in memory (redis_twin.lua). Text here is
bytes, a character for each.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lupa import luajit21


class Lua:
    """One interpreter, and the scripts it has compiled. Shared by all histories of a process: scripts keep
    nothing between two calls. LuaJIT's speaks the Lua 5.1 that is in Redis, and takes a sixth off a history.
    """

    def __init__(self) -> None:
        self._lua = luajit21.LuaRuntime(
            encoding="latin-1", register_eval=False, register_builtins=False, unpack_returned_tuples=True
        )
        self._compiled: dict[str, Any] = {}
        # Only what reads JSON gains by being compiled: scripts get an eighth slower, and commands, though a
        # sixteenth faster by themselves, slow what runs between them by as much.
        self._interpreted = self._lua.eval("function(loaded) jit.off(loaded, true) return loaded end")
        tools = self._lua.table_from({"decoded": _decoded, "encoded": _encoded, "sha1hex": _sha1hex})
        twin = self._interpreted(self._source("redis_twin"))()
        self._interpreted(self._source("redis_sorted"))(twin)
        asked = self._interpreted(self._source("sandbox"))(tools, twin, self._source("json")(tools))
        self._kind = type(twin)
        self.database, self.snapshot, self.restart = asked.new, asked.snapshot, asked.restart
        self._run, self._call, self._list = asked.run, asked.call, asked.list
        self._names, self._value = asked.names, asked.value
        self.has_bells, self.watched = self._interpreted(self._source("watched"))(twin)

    def run(self, source: str, database: Any, now_ms: int, args: list[Any]) -> Any:
        """What the script answers, as a client reads it: text, ints, lists and None."""
        script = self._compiled.get(source)
        if script is None:
            loaded = self._lua.compile(f"local KEYS, ARGV = {{}}, {{...}}\n{source}")
            script = self._compiled[source] = self._interpreted(loaded)
        kept = [
            arg if type(arg) is bytes or (type(arg) is str and arg.isascii()) else as_kept(arg)
            for arg in args
        ]
        return self._read(self._run(script, database, now_ms, *kept))

    def call(self, database: Any, now_ms: int, *command: str | int) -> Any:
        """What the command answers, as it is kept."""
        return self._plain(self._call(database, now_ms, *command))

    def under(self, database: Any, beginning: str) -> dict[str, Any]:
        """The keys that begin so, in their order, and what each holds."""
        return {key: self.at(database, key) for key in self._plain(self._names(database, beginning))}

    def at(self, database: Any, key: str) -> Any:
        """What a key holds: text, a dict or a list; None for nothing."""
        value = self._value(database, key)
        if type(value) is not tuple:
            return value
        kind, names, of = value[0], value[2::2], value[3::2]
        return dict(zip(names, of, strict=True)) if kind in {"hash", "zset"} else list(names)

    def _source(self, name: str) -> Any:
        return self._lua.compile(Path(__file__).with_name(f"{name}.lua").read_text("utf-8"))

    def _plain(self, value: Any) -> Any:
        """What Lua told, with lists for its tables."""
        kind = type(value)
        if kind is str or kind is int:
            return value
        if kind is tuple:
            return [item if type(item) is str else self._plain(item) for item in value[2:]]
        if value is False or value is None:
            return None
        return self._plain(self._list(value))

    def _read(self, value: Any) -> Any:
        """The same, as a client reads it."""
        kind = type(value)
        if kind is str:
            return as_text(value)
        if kind is tuple:
            return [item if type(item) is str and item.isascii() else self._read(item) for item in value[2:]]
        return self._read(self._list(value)) if kind is self._kind else self._plain(value)


def _sha1hex(text: str) -> str:
    return hashlib.sha1(text.encode("latin-1")).hexdigest()


def _decoded(text: str) -> bytes:
    return json.loads(text.encode("latin-1")).encode("utf-8", "surrogatepass")


def _encoded(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def as_kept(value: str | int) -> str:
    """What a client sends, as it is kept: bytes, a character for each."""
    told = value if type(value) is str else str(value)
    return told if told.isascii() else told.encode("utf-8", "surrogateescape").decode("latin-1")


def as_text(kept: str) -> str:
    """What is kept, as a client reads it."""
    return kept if kept.isascii() else kept.encode("latin-1").decode("utf-8", "surrogateescape")


LUA = Lua()
