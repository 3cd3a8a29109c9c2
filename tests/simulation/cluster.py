"""What is simulated: two workers, a door for webhooks, a person, one Redis and one Acquire."""

from __future__ import annotations

import random
from functools import cached_property, partial
from typing import Any

from service.domain.errors import LedgerUnavailable, ReopenerError
from service.domain.ports import Lease
from service.domain.reopens import Policy, reopen_id
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.retention import ENDED, Terms
from tests.simulation.acquire_world import AcquireWorld, Manner
from tests.simulation.engine import START_MS, Node, Simulation, Sleep, Step
from tests.simulation.events import Event, Strike
from tests.simulation.ledger_twin import QUEUE_KEY, ledger_on
from tests.simulation.people import SOURCE, People
from tests.simulation.redis_twin import RedisTwin
from tests.simulation.watched import Watched, watched
from tests.simulation.worker import TICK_MS, WATCHES, Worker

CONTACT = 7
KEPT_MS = 10_000
TOLD_AGAIN_MS = 2_500


class Cluster(People):
    """Everything that takes part in one history."""

    def __init__(self, rng: random.Random, policy: Policy, manner: Manner, *, tells: bool = False) -> None:
        self.rng = rng
        self.policy = policy
        self.simulation = Simulation(rng, tells=tells)
        self.redis_ahead_ms = 0
        self._clock_went_back = self._started_anew = False
        self.server = RedisTwin(lambda: START_MS + self.simulation.now + self.redis_ahead_ms)
        self.world = AcquireWorld(lambda: self.simulation.now, START_MS, manner)
        self.events: list[Event] = []
        self.causes: dict[str, str] = {}
        """Reopen id -> what struck it that nobody can rule out."""
        self.excuses: dict[str, set[str]] = {}
        """Reopen id -> the ends that what struck it gives a right to."""
        self.struck: list[Strike] = []
        self.killed_at, self.forgot_at = -(10**9), -(2 * 10**9)
        self.in_flight_at_kill: list[tuple[int, int]] = []
        self.snapshots: list[tuple[int, dict[str, Any]]] = []
        self.refused: list[ReopenerError] = []
        self.agreed: list[tuple[str, str]] = []
        """Verbs that people were told are done, and to what."""
        self.out_of_line: set[str] = set()
        """Reopens that were held, dead or cancelled for a while: they have lost their place in the order."""
        self._watched: Watched | None = None
        self._tokens = 0
        self._listening = False
        self.workers = [Worker(self, name, boot_ms=rng.randrange(10**9)) for name in ("worker-1", "worker-2")]
        self.door = Node("door", self.simulation, mortal=False)
        self.person = Node("person", self.simulation, mortal=False)
        self.door_ledger = ledger_on(self.door, self.server, policy)
        self.simulation.after_ledger = self._after_ledger
        self.server.call("SET", "reopener:epoch", self.server.run_id)
        self.world.measured_lag_ms = self._measured_lag_ms

    @cached_property
    def person_ledger(self) -> Ledger:
        return ledger_on(self.person, self.server, self.policy)

    def end(self) -> None:
        """Let go of each other: all parts of a history know one another, and would wait for the collector."""
        for part in (*self.workers, self.simulation, self):
            vars(part).clear()

    # What scenarios do.

    def event(
        self,
        name: str,
        *,
        at_ms: int = 0,
        text: str | None = "",
        thread_id: int = 100,
        times: int = 1,
        **more: Any,
    ) -> Event:
        """A customer's reply is delivered, `times` times at once."""
        words = f"It broke again, says {name}." if text == "" else text
        told: dict[str, Any] = {
            "reopen_id": reopen_id(SOURCE, name),
            "source": SOURCE,
            "event_id": name,
            "delivery_id": name,
            "body_hash": name,
            "ticket_id": f"ticket-{thread_id}",
            "contact_id": CONTACT,
            "thread_id": thread_id,
            "text": words,
            **more,
        }
        event = Event(Admission(**told))
        self.events.append(event)
        for _ in range(times):
            self.simulation.at(
                at_ms,
                lambda: self.simulation.spawn(self.door, lambda: self._deliver(event), f"delivery {name}"),
            )
        return event

    def at(self, ms: int, act: Any, told: str) -> None:
        """Something happens in Acquire."""

        def happen() -> None:
            self.simulation.tell("acquire", told)
            act()

        self.simulation.at(ms, happen)

    def again(self, event: Event, *, at_ms: int) -> None:
        """Its helpdesk delivers the same event once more."""
        self.simulation.at(
            at_ms, lambda: self.simulation.spawn(self.door, lambda: self._deliver(event), "delivery again")
        )

    def retire(self, terms: Terms, *, at_ms: int) -> None:
        """The keeper looks at all that ended; where Redis is away, another time."""

        async def keep() -> None:
            for status in ENDED:
                try:
                    await self.person_ledger.retention.retire(SOURCE, status, None, terms)
                except LedgerUnavailable:
                    return

        self.simulation.at(at_ms, lambda: self.simulation.spawn(self.person, keep, "retention"))

    def events_left_their_line(self) -> None:
        """Held ones do not block: no order is promised among these."""
        self.out_of_line.update(event.id for event in self.events)

    async def _deliver(self, event: Event) -> None:
        """The helpdesk sends until it gets its 200."""
        if event.first_asked_ms < 0:
            event.first_asked_ms = self.simulation.now
        while True:
            try:
                (answer,) = await self.door_ledger.admissions.admit([event.admission])
            except LedgerUnavailable:
                await Sleep(self.rng.randrange(500, 3_000))
                continue
            if not event.answers:
                event.first_answered_ms = self.simulation.now
            event.answers.append(answer)
            return

    # What faults do.

    def kill(self, node: Node, back_after_ms: int) -> None:
        """Kill a worker, and note what it had in flight: somebody must look at that soon (rule 12)."""
        self.killed_at = self.simulation.now
        self._lose_together()
        for worker in self.workers:
            if worker.node is node:
                for lease in worker.held.values():
                    self.simulation.at(self.simulation.now + 100, partial(self._note_in_flight, lease))
        self.simulation.kill(node, back_after_ms)

    def _note_in_flight(self, lease: Lease) -> None:
        held = self.watched().leases.get(lease.box, "").startswith(lease.token)
        if held and lease.box.isdigit() and not self.server.call("EXISTS", "reopener:account"):
            self.in_flight_at_kill.append((self.simulation.now, int(lease.box)))

    @property
    def redis_was_set_back(self) -> bool:
        """Its clock went back and it started anew: rule 13 compares what is of two times then."""
        return self._clock_went_back and self._started_anew

    def redis_jumps(self, ms: int) -> None:
        self.redis_ahead_ms += ms
        self._clock_went_back |= ms < 0
        self.simulation.tell("redis", f"its clock jumps by {ms / 1000:g} s")
        self.wake_all()

    def restart_redis(self, forgotten: dict[str, Any] | None) -> None:
        self._started_anew = True
        self.server.restart(forget=forgotten)
        self.simulation.tell(
            "redis", "starts anew" + (", and has forgotten the last moments" if forgotten else "")
        )
        if forgotten is not None:
            self.forgot_at = self.simulation.now
            self._lose_together()
            self.simulation.spawn(self.door, self._watch, "watch")
            for worker in self.workers:
                worker.watch(self.rng.randrange(50, 1_500))
        self._after_ledger()

    def _lose_together(self) -> None:
        """Redis forgot what a worker wrote, and the worker died before it could write that once more: the
        same words of two replies may be taken for one another then.
        """
        if -TOLD_AGAIN_MS <= self.forgot_at - self.killed_at <= KEPT_MS:
            for event in self.events:
                self.causes.setdefault(event.id, "forgotten_by_all")

    async def _watch(self) -> None:
        """Receivers ask every second whether Redis is still the same (rule 13), however long it is away."""
        answers = 0
        while answers < WATCHES:
            await Sleep(self.rng.randrange(50, 1_000))
            try:
                await self.door_ledger.admissions.watch()
            except LedgerUnavailable:
                continue
            answers += 1

    def keep_snapshot(self) -> None:
        """Remember how Redis is now, to be forgotten back to it."""
        self.snapshots.append((self.simulation.now, self.server.snapshot()))
        del self.snapshots[:-8]

    def blame(self, step: Step, cause: str) -> None:
        """What strikes this call can make a second effect, and nobody can rule that out."""
        self.causes.setdefault(step.about, cause)

    def excuse(self, step: Step, end: str) -> None:
        """What strikes this call gives its reopen a right to end so."""
        self.excuses.setdefault(step.about, set()).add(end)

    def _measured_lag_ms(self) -> int:
        return int(self.server.call("HGET", "reopener:account", "read_lag_ms") or 0)

    def latest_action_ms(self) -> int:
        """How late Acquire may act, at most, so that every look taken for it can see it."""
        manner = self.world.manner
        lag_ms = max(manner.list_lag_ms, manner.message_lag_ms, manner.case_lag_ms)
        return max(501, self.policy.settle_ms - lag_ms - 1_000)

    def token(self) -> str:
        self._tokens += 1
        return f"token{self._tokens}"

    # What wakes the workers.

    def watched(self) -> Watched:
        self._watched = watched(self.server, self._watched)
        return self._watched

    def true_ms(self, redis_ms: int) -> int:
        """A time by Redis' clock, in true time."""
        return redis_ms - START_MS - self.redis_ahead_ms

    def wake_all(self) -> None:
        """Redis' clock has changed: what is due is another now."""
        self._after_ledger()

    def _after_ledger(self) -> None:
        simulation = self.simulation
        if not self._listening and self.server.has_bells(QUEUE_KEY):
            self._listening = True
            simulation.at(simulation.now + 1 + int(self.rng.random() * 30), self._hand_out)
        for worker in self.workers:
            if worker.node.alive:
                worker.wake(TICK_MS)

    def _hand_out(self) -> None:
        """RQ gives the next bell to one of the workers that listen."""
        self._listening = False
        able = [w for w in self.workers if w.node.alive and w.node.awake_at <= self.simulation.now]
        if not able:
            self._listening = True
            self.simulation.at(self.simulation.now + TICK_MS, self._hand_out)
            return
        worker = able[int(self.rng.random() * len(able))]
        self.simulation.spawn(worker.node, worker.answer, "answer")
