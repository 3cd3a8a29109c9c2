"""Time, machines and the steps between them, without an event loop and without time passing.

Product code runs as coroutines that are driven by hand. Whatever it asks of Redis or Acquire is a `Step`: it
leaves the asker, takes effect at the other side, and its answer comes back. Between these three a fault may
strike (faults.py). All times are milliseconds of true time since the history began.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, Literal

from tests.simulation import telling

Kind = Literal["ledger", "admit", "bell", "read", "send"]

LATENCY_MS: dict[Kind, tuple[int, int]] = {
    "ledger": (1, 3),
    "admit": (1, 3),
    "bell": (1, 20),
    "read": (20, 80),
    "send": (40, 300),
}
MOST_STEPS = 20_000
START_MS = 1_790_000_000_000
"""Unix milliseconds at which histories begin."""


class Step:
    """One question to Redis or Acquire: `act` takes effect there and gives the answer; `lost` is what the
    asker is told, or what is raised in it, where no answer comes. `told` describes it for a person;
    `about` is the reopen that a call to Acquire is for.
    """

    __slots__ = ("about", "act", "kind", "last_check", "lost", "node", "told")

    def __init__(
        self,
        node: Node,
        kind: Kind,
        act: Callable[[], Any],
        *,
        lost: Callable[[bool], Any],
        told: Callable[[], str],
        last_check: Callable[[], Any] | None = None,
        about: str = "",
    ) -> None:
        self.about = about
        self.node = node
        self.kind = kind
        self.act = act
        self.lost = lost
        self.told = told
        self.last_check = last_check

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Waiting, which is no step: nothing can be cut in it."""

    ms: int

    def __await__(self) -> Generator[Any, Any, None]:
        yield self


@dataclass(slots=True, eq=False)
class Node:
    """One machine with its own clocks. `life` counts its processes: a killed one never comes back."""

    name: str
    simulation: Simulation
    boot_ms: int = 0
    life: int = 0
    alive: bool = True
    mortal: bool = True
    awake_at: int = 0
    slept_ms: int = 0
    on_start: Callable[[], None] = field(default=lambda: None)

    def boottime(self) -> float:
        """Counts the time the machine slept."""
        return (self.simulation.now + self.boot_ms) / 1000

    def monotonic(self) -> float:
        return (self.simulation.now + self.boot_ms - self.slept_ms) / 1000

    def now_ms(self) -> int:
        """The wall clock of a machine may be far off: no rule may lean on it."""
        return START_MS + self.simulation.now - 5 * self.boot_ms


@dataclass(slots=True, eq=False)
class Task:
    """A coroutine in one process of a node."""

    node: Node
    life: int
    coroutine: Coroutine[Any, Any, Any]
    name: str


class Simulation:
    """The queue of what happens next."""

    def __init__(self, rng: random.Random, *, tells: bool = False) -> None:
        self.rng = rng
        self.now = 0
        self.steps = 0
        self.tells = tells
        self.story: list[str] = []
        self.errors: list[str] = []
        self.strike: Callable[[Task, Step, int], bool] = lambda task, step, number: False
        self.after_ledger: Callable[[], None] = lambda: None
        self._heap: list[tuple[int, int, Callable[[], None], Node | None, int]] = []
        self._order = 0

    def at(self, ms: int, act: Callable[[], None], node: Node | None = None) -> None:
        """Do something at a time; with a node, only if that very process lives and is awake then."""
        self._order += 1
        life = 0 if node is None else node.life
        heappush(self._heap, (max(self.now, ms), self._order, act, node, life))

    def spawn(self, node: Node, start: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        """Start a coroutine in the process that now runs on the node."""
        self.at(self.now, partial(self._begin, node, node.life, start, name), node)

    def _begin(self, node: Node, life: int, start: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        self.resume(Task(node, life, start(), name), None)

    def run(self, until_ms: int) -> bool:
        """Let things happen; True where nothing is left to happen before that time."""
        heap = self._heap
        while heap:
            if self.steps > MOST_STEPS:
                return False
            ms, _, act, node, life = heappop(heap)
            if node is not None:
                if not node.alive or node.life != life:
                    continue
                if node.awake_at > ms:
                    self.at(node.awake_at, act, node)
                    continue
            if ms > until_ms:
                self.at(ms, act, node)
                return False
            self.now = ms
            act()
        return True

    def resume(self, task: Task, answer: Any) -> None:
        """Go on in a coroutine with the answer to its step, which may be an exception."""
        try:
            if isinstance(answer, BaseException):
                asked = task.coroutine.throw(answer)
            else:
                asked = task.coroutine.send(answer)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - whatever escapes from product code is a finding
            self.errors.append(f"{task.name} failed: {error!r}")
            self.tell(task.node, f"{task.name} failed: {error!r}")
            if self.tells:
                self.story += traceback.format_exception(error)
            return
        if isinstance(asked, Sleep):
            self.at(self.now + asked.ms, partial(self.resume, task, None), task.node)
            return
        self.steps += 1
        if not self.strike(task, asked, self.steps - 1):
            self.leave(task, asked)

    def leave(self, task: Task, step: Step) -> None:
        """The step leaves its asker. The last check before it (rule 8) may keep it back."""
        kept_back = step.last_check() if step.last_check else None
        if kept_back is not None:
            self.tell_of(step, f"kept back, {kept_back}")
            self.reply(task, kept_back)
            return
        self.at(self.now + self.latency(step), partial(self.arrive, task, step))

    def arrive(self, task: Task, step: Step) -> None:
        """The step takes effect, and its answer sets out."""
        self.reply(task, self.take_effect(step))

    def take_effect(self, step: Step, note: str = "") -> Any:
        try:
            answer = step.act()
        except Exception as error:  # noqa: BLE001 - an error is an answer too
            answer = error.with_traceback(None)
        if self.tells:
            self.tell(step.node, f"{step.told()} -> {telling.answer(answer)}{note}")
        if step.kind in {"ledger", "admit", "bell"}:
            self.after_ledger()
        return answer

    def reply(self, task: Task, answer: Any, delay_ms: int = 1) -> None:
        self.at(self.now + delay_ms, partial(self.resume, task, answer), task.node)

    def latency(self, step: Step) -> int:
        low, high = LATENCY_MS[step.kind]
        return low + int(self.rng.random() * (high - low))

    def kill(self, node: Node, back_after_ms: int) -> None:
        """`kill -9`: nothing of the process goes on. A new one starts later."""
        node.alive = False
        self.tell(node, f"is killed; starts again in {back_after_ms / 1000:g} s")
        self.at(self.now + back_after_ms, lambda: self._start(node))

    def suspend(self, node: Node, ms: int) -> None:
        """The machine sleeps: nothing of it goes on, and its monotonic clock stands still."""
        node.awake_at = self.now + ms
        node.slept_ms += ms
        self.tell(node, f"is suspended for {ms / 1000:g} s")

    def _start(self, node: Node) -> None:
        node.life += 1
        node.alive = True
        self.tell(node, "starts again")
        node.on_start()

    def tell_of(self, step: Step, what: str) -> None:
        if self.tells:
            self.tell(step.node, f"{step.told()}: {what}")

    def tell(self, who: Node | str, what: str) -> None:
        if self.tells:
            name = who if isinstance(who, str) else who.name
            self.story.append(f"{self.now / 1000:>10.3f} s  {name:<9} {what}")
