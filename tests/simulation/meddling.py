"""What others do in Acquire at any step: agents, and the customer in Acquire's own widget."""

from __future__ import annotations

from tests.simulation.cluster import CONTACT, Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.faults import Fault


def agent_reopens(cluster: Cluster, _: Task, __: Step) -> bool:
    """An agent reopens the first thread, with words of his own."""
    cluster.simulation.tell("acquire", "an agent reopens thread 100")
    cluster.world.create(100, cluster.world.cases[100].contact_id, "Calling you back.")
    return False


def widget_writes(cluster: Cluster, _: Task, __: Step) -> bool:
    """The customer writes in Acquire's own widget, other words than in the helpdesk."""
    world = cluster.world
    open_cases = [case for case in world.open_cases(100) if case.status == "active"]
    cluster.simulation.tell("acquire", "the customer writes in the widget")
    if open_cases:
        world.append(open_cases[-1].id, "Hello, me again.")
    else:
        world.create(100, world.cases[100].contact_id, "Hello, me again.")
    return False


def cases_close(cluster: Cluster, _: Task, __: Step) -> bool:
    """An agent closes whatever is open."""
    cluster.simulation.tell("acquire", "an agent closes every open case of thread 100")
    for case in cluster.world.open_cases(100):
        cluster.world.close(case.id)
    return False


def contact_merged(cluster: Cluster, _: Task, __: Step) -> bool:
    if CONTACT not in cluster.world.merged:
        cluster.simulation.tell("acquire", "the contact is merged into another")
        cluster.world.merge(CONTACT, 8)
    return False


MEDDLING: dict[str, Fault] = {
    "agent reopens": agent_reopens,
    "widget writes": widget_writes,
    "cases close": cases_close,
    "contact merged": contact_merged,
}
