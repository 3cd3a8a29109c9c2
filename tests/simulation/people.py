"""What people ask for, again where Redis did not answer."""

from __future__ import annotations

from typing import Any

from service.domain.errors import Conflict, LedgerUnavailable, NotFound, ReopenerError
from tests.simulation.engine import Sleep
from tests.simulation.events import Event

SOURCE = "support"


class People:
    """The side of a cluster that people have."""

    def verb(self, at_ms: int, verb: str, name: str, *args: Any) -> None:
        """A person asks for something to be done to a reopen, again where Redis did not answer."""

        async def ask() -> None:
            asked = getattr(self.person_ledger.verbs, verb)
            while True:
                try:
                    await asked(name, *args)
                except (LedgerUnavailable, NotFound):
                    await Sleep(1_000)
                    continue
                except ReopenerError as refused:
                    self.refused.append(refused)
                    self.simulation.tell(self.person, f"{verb} {name}: {refused.slug}, {refused}")
                else:
                    self.agreed.append((verb, name))
                return

        self.out_of_line.add(name)
        self.simulation.at(at_ms, lambda: self.simulation.spawn(self.person, ask, verb))

    def run_again(self, at_ms: int, event: Event, key: str) -> None:
        """A person wants a finished one done once more, for a reason."""

        async def ask() -> None:
            while True:
                try:
                    await self.person_ledger.verbs.run_again(event.id, "the case was wrong", key=key)
                except (LedgerUnavailable, NotFound):
                    await Sleep(1_000)
                    continue
                except Conflict:
                    await Sleep(60_000)
                    continue
                return

        self.simulation.at(at_ms, lambda: self.simulation.spawn(self.person, ask, "run again"))

    def pause(self, from_ms: int, until_ms: int) -> None:
        """Nobody takes work for a while; the switch itself is thrown without trouble."""
        self.simulation.at(from_ms, lambda: self._account("HSET", "paused", "a person"))
        self.simulation.at(until_ms, lambda: self._account("HDEL", "paused"))

    def _account(self, command: str, *args: str) -> None:
        self.simulation.tell(self.person, "pauses" if command == "HSET" else "lets work go on")
        self.server.call(command, "reopener:account", *args)
        self._after_ledger()
