"""The real ledger on a Redis in memory: every call of a node is a step that a fault can cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import redis.exceptions

from service.domain.errors import LedgerUnavailable
from service.domain.reopens import Policy
from service.ledger import Ledger, open_ledger
from service.ledger.scripts import NAMES, script
from service.queue import MOULD_BELL, MOULD_NAME, Bell
from tests.simulation import telling
from tests.simulation.engine import Node, Step
from tests.simulation.lua import as_kept
from tests.simulation.redis_twin import RedisTwin

QUEUE_KEY = "rq:queue:reopener"

SCRIPTS: dict[str, str] = {name: script(name) for name in NAMES}
"""The scripts as they are; the mutation proof puts others in their place."""
_NAMES = {source: name for name, source in SCRIPTS.items()}


def ledger_on(node: Node, server: RedisTwin, policy: Policy) -> Ledger:
    """The ledger as one process of a node sees it."""
    return open_ledger(Client(node, server), Bells(server), node, policy=policy)  # type: ignore[arg-type]


class Client:
    """What the ledger uses of `redis.asyncio.Redis`."""

    def __init__(self, node: Node, server: RedisTwin) -> None:
        self._node = node
        self._server = server

    def register_script(self, source: str) -> Callable[..., Step]:
        name = _NAMES[source]

        def run(keys: Sequence[str], args: list[Any]) -> Step:
            return self._step(
                "admit" if name == "admit" else "ledger",
                lambda: self._server.run(SCRIPTS[name], args),
                lambda: telling.question(name, args),
            )

        return run

    def hgetall(self, key: str) -> Step:
        def act() -> dict[bytes, bytes]:
            flat = self._server.call("HGETALL", key)
            return {flat[i].encode("latin-1"): flat[i + 1].encode("latin-1") for i in range(0, len(flat), 2)}

        return self._step("ledger", act, lambda: f"HGETALL {key}")

    def get(self, key: str) -> Step:
        def act() -> bytes | None:
            value = self._server.call("GET", key)
            return None if value is None else value.encode("latin-1")

        return self._step("ledger", act, lambda: f"GET {key}")

    def hget(self, key: str, field: str) -> Step:
        def act() -> bytes | None:
            value = self._server.call("HGET", key, field)
            return None if value is None else value.encode("latin-1")

        return self._step("ledger", act, lambda: f"HGET {key} {field}")

    def hset(self, key: str, field: str = "", value: str = "", *, items: Sequence[str] = ()) -> Step:
        pairs = [as_kept(part) for part in (*((field, value) if field else ()), *items)]
        return self._step(
            "ledger", lambda: self._server.call("HSET", key, *pairs), lambda: f"HSET {key} {pairs}"
        )

    def hdel(self, key: str, *fields: str) -> Step:
        return self._step(
            "ledger", lambda: self._server.call("HDEL", key, *fields), lambda: f"HDEL {key} {fields}"
        )

    def pipeline(self, *, transaction: bool) -> Pipeline:
        return Pipeline(self)

    def _step(self, kind: Any, act: Callable[[], Any], told: Callable[[], str]) -> Step:
        return Step(self._node, kind, act, lost=_lost, told=told)


class Pipeline:
    """Several reads at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._steps: list[Step] = []

    def hgetall(self, key: str) -> None:
        self._steps.append(self._client.hgetall(key))

    def get(self, key: str) -> None:
        self._steps.append(self._client.get(key))

    def execute(self) -> Step:
        steps = self._steps
        return self._client._step(
            "ledger", lambda: [step.act() for step in steps], lambda: ", ".join(step.told() for step in steps)
        )


class Bells:
    """RQ's job, as far as the scripts look at it."""

    workers_key = "rq:workers:reopener"

    def __init__(self, server: RedisTwin) -> None:
        self._server = server

    def queue_key(self, _: str) -> str:
        """One queue for all lanes: which of them goes first concerns no rule."""
        return QUEUE_KEY

    def bell(self, name: str, _: str = "live") -> Bell:
        self._server.bells += 1
        return self._made(name, f"bell{self._server.bells}")

    def mould(self) -> Bell:
        return self._made(MOULD_NAME, MOULD_BELL)

    def _made(self, name: str, number: str) -> Bell:
        fields = ("name", name, "status", "queued", "origin", "reopener")
        return Bell(number, f"rq:job:{number}", QUEUE_KEY, "rq:queues", fields)


POP = """
local bell = redis.call('LPOP', ARGV[1])
local name = bell and redis.call('HGET', 'rq:job:' .. bell, 'name')
if bell then
  redis.call('DEL', 'rq:job:' .. bell)
end
return name and { name, bell }
"""


def pop_bell(node: Node, server: RedisTwin) -> Step:
    """An RQ worker takes the next job: its name and its bell, or None."""

    def act() -> tuple[str, ...] | None:
        popped = server.run(POP, [QUEUE_KEY])
        return tuple(popped) if popped else None

    return Step(
        node, "bell", act, lost=lambda _: LedgerUnavailable("no answer"), told=lambda: "RQ hands over a bell"
    )


def _lost(_: bool) -> Exception:
    return redis.exceptions.TimeoutError("no answer")
