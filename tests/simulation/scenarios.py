"""What a history may be about: how it begins, how Acquire behaves, and which ends are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.domain.reopens import Policy
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import Cluster
from tests.simulation.engine import Step, Task

DEFAULTS = Policy()


@dataclass(frozen=True, slots=True)
class Scenario:
    """`begin` sets everything up; what strikes is drawn elsewhere.

    `allowed` are ends, besides an effect, that its events may come to: a status, or `status:reason`;
    `harmless` are faults that give no right to them. `meddling` names what others may do at any step
    (meddling.MEDDLING). `forgets`: Redis may forget its last moments. `alone`: one fault at a time, since
    what two of them do together nobody can rule out. `one_case`: however many replies there
    are, one case is made. `always` strikes at every step. `expect` says what else must hold at the end.
    """

    name: str
    begin: Callable[[Cluster], None]
    manner: Callable[[], Manner] = Manner
    policy: Policy = DEFAULTS
    allowed: frozenset[str] = frozenset()
    meddling: tuple[str, ...] = ()
    forgets: bool = False
    alone: bool = False
    one_case: bool = False
    harmless: frozenset[str] = frozenset()
    always: Callable[[Cluster, Task, Step], bool] | None = None
    expect: Callable[[Cluster], Iterable[str]] = lambda _: ()


def all_scenarios() -> tuple[Scenario, ...]:
    """Every scenario, in a fixed order: a history's number picks one of them."""
    from tests.simulation import (
        scenes_of_acquire,
        scenes_of_people,
        scenes_of_redis,
        scenes_of_replies,
        scenes_of_time,
    )

    return (
        *scenes_of_replies.SCENES,
        *scenes_of_acquire.SCENES,
        *scenes_of_people.SCENES,
        *scenes_of_redis.SCENES,
        *scenes_of_time.SCENES,
    )
