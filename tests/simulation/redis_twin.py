"""A Redis in memory, as Python asks it: what it holds and does is in redis_twin.lua, beside the scripts.

The ledger's real Lua scripts run on it (lua.py), so no second version of their rules has to be kept true.
tests/contract/test_ledger_twin.py holds it to a real Redis. Values are bytes, held as text with a character
for each; a command that is missing says so by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.lua import LUA


class RedisTwin:
    """One database, and what it can be asked.

    `clock_ms` is its own wall clock; `run_id` changes with every start, `revision` with whatever it is asked
    to do; `bells` counts the bells that were ever made, since their ids are never used twice.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.clock_ms = clock_ms
        self.starts = 1
        self.bells = 0
        self.revision = 0
        self._database = LUA.database(self.run_id)

    @property
    def run_id(self) -> str:
        return f"{self.starts:040x}"

    def under(self, beginning: str) -> dict[str, Any]:
        """The keys that begin so, in their order, and what each holds: text, a dict or a list."""
        return LUA.under(self._database, beginning)

    def at(self, key: str) -> Any:
        """What this key holds, None for nothing."""
        return LUA.at(self._database, key)

    def call(self, *command: str | int) -> Any:
        """Run one command. None stands for nil; lists are arrays; ints are integers."""
        self.revision += 1
        return LUA.call(self._database, self.clock_ms(), *command)

    def run(self, script: str, args: list[Any]) -> Any:
        """Run a script: all its commands are one moment."""
        self.revision += 1
        return LUA.run(script, self._database, self.clock_ms(), args)

    def has_bells(self, queue: str) -> bool:
        found: bool = LUA.has_bells(self._database, queue)
        return found

    def watched(self) -> Any:
        """What watched.lua finds: a tuple where there are leases."""
        return LUA.watched(self._database, self.clock_ms())

    def restart(self, *, forget: Any = None) -> None:
        """Start anew: with what it held, or with an earlier `snapshot`."""
        self.revision += 1
        self.starts += 1
        LUA.restart(self._database, self.run_id, forget)

    def snapshot(self) -> Any:
        return LUA.snapshot(self._database)
