"""A worker machine: it answers bells, keeps its leases, and sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.domain.errors import Fenced, LedgerUnavailable
from service.domain.ports import Claimed, Lease
from tests.simulation.acquire_twin import AcquireTwin
from tests.simulation.engine import Node
from tests.simulation.ledger_twin import ledger_on, pop_bell
from workers.head import Tools
from workers.reopen import work
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

TICK_MS = 500
WATCHES = 3
"""How often workers and door look at a new run of Redis; real ones do it always."""


class OpenGate:
    """The rate limit lets everything pass: it concerns no rule."""

    async def admit(self, *_: object) -> None:
        return None


class Worker:
    """One worker machine: it answers bells, keeps its leases, and sweeps."""

    def __init__(self, cluster: Cluster, name: str, boot_ms: int) -> None:
        self.cluster = cluster
        self.node = Node(name, cluster.simulation, boot_ms=boot_ms, on_start=self.start)
        self.start()

    def start(self) -> None:
        """A new process: it knows nothing of the one before."""
        cluster = self.cluster
        self.ledger = ledger_on(self.node, cluster.server, cluster.policy)
        self.tools = Tools(
            ledger=self.ledger.leases,
            acquire=AcquireTwin(self.node, cluster.world),
            gate=OpenGate(),
            ticker=self.node,
            rng=cluster.simulation.rng,
            policy=cluster.policy,
        )
        self.held: dict[str, Lease] = {}
        self.sweeper = Sweeper(self.ledger, self.node, name=self.node.name, lease_ms=cluster.policy.lease_ms)  # type: ignore[arg-type]
        self.sweeper._beat_at = self.sweeper._durability_at = float("inf")  # no rule leans on these
        self.tick_at = -1
        self.seen_leases: dict[str, str] = {}
        self.still_at = 0
        self.wake(TICK_MS)

    async def answer(self) -> None:
        """Take one bell and work its thread, as workers/ringing.py does."""
        try:
            popped = await pop_bell(self.node, self.cluster.server)
            if popped is None:
                return
            name, bell = popped
            claimed = await self.ledger.leases.claim(name, bell=bell, token=self.cluster.token())
            if isinstance(claimed, Claimed):
                await self._work(claimed)
        except (Fenced, LedgerUnavailable) as stopped:
            self.cluster.simulation.tell(self.node, f"stops: {stopped.slug}")

    async def _work(self, claimed: Claimed) -> None:
        held, box = self.held, claimed.lease.box
        held[box] = claimed.lease
        self._renew_later()
        try:
            await work(claimed, self.tools)
        finally:
            held.pop(box, None)

    def _renew_later(self) -> None:
        simulation = self.cluster.simulation
        later_ms = simulation.now + self.cluster.policy.lease_ms // 4
        simulation.at(later_ms, self._renew, self.node)

    def _renew(self) -> None:
        if self.held:
            self.cluster.simulation.spawn(self.node, self._renewed, "renewal")
            self._renew_later()

    async def _renewed(self) -> None:
        try:
            await self.ledger.leases.renew(list(self.held.values()))
        except LedgerUnavailable:
            return

    # Sweeping: every half second, but while nothing is overdue it only watches which leases stand still.

    def wake(self, in_ms: int) -> None:
        """Sweep in so long at the latest."""
        simulation = self.cluster.simulation
        now = simulation.now
        at = now + in_ms
        if now < self.tick_at <= at:
            return
        self.tick_at = at
        simulation.at(at, self._tick, self.node)

    def _tick(self) -> None:
        cluster = self.cluster
        simulation = cluster.simulation
        now = simulation.now
        if now < self.tick_at:
            return
        watched = cluster.watched()
        wanted = None if watched.wanted_ms is None else cluster.true_ms(watched.wanted_ms)
        leases = watched.leases
        standing = self.sweeper._still.look(leases, self.node.monotonic())
        if standing or (wanted is not None and wanted <= now):
            simulation.spawn(self.node, self._sweep, "sweeper")
        if leases != self.seen_leases:
            self.seen_leases = leases
            self.still_at = now + cluster.policy.lease_ms
        if leases:
            still_at = max(self.still_at, now + TICK_MS)
            wanted = still_at if wanted is None else min(wanted, still_at)
        if wanted is not None:
            self.wake(max(TICK_MS, wanted - now))

    def watch(self, in_ms: int) -> None:
        """Redis is another run: real sweepers see that at their ticks, whatever is due."""
        simulation = self.cluster.simulation
        for number in range(WATCHES):
            at_ms = simulation.now + in_ms + number * TICK_MS
            simulation.at(at_ms, lambda: simulation.spawn(self.node, self._sweep, "sweeper"), self.node)

    async def _sweep(self) -> None:
        try:
            await self.sweeper.sweep()
        except LedgerUnavailable:
            self.wake(TICK_MS)
