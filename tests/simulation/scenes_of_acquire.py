"""Acquire shows little, late, or nothing; it is away, refuses, or keeps cases in a queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import CONTACT, Cluster
from tests.simulation.engine import Step, Task
from tests.simulation.scenarios import DEFAULTS, Scenario
from tests.simulation.scenes_of_replies import AGENTS_AND_WIDGETS, burst, cases_close, one, open_case, two

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
QUEUED_MS = 3 * MINUTE_MS
UNREADABLE = frozenset({"held:effect_unreadable"})


def _many_cases(cluster: Cluster) -> None:
    """Five closed cases before: the list has pages."""
    cluster.world.root(100, CONTACT)
    for number in range(5):
        case = cluster.world.create(100, CONTACT, f"Earlier question {number}.")
        cluster.world.close(case.id)
    cluster.event("A")
    cluster.event("B", at_ms=60)


def _measured_lag(cluster: Cluster) -> None:
    """The lag shows with the first case, long before an answer is lost."""
    cluster.world.root(100, CONTACT)
    cluster.event("A")
    cluster.event("B", at_ms=1_000)
    cluster.at(3 * MINUTE_MS, lambda: cases_close(cluster), "an agent closes the case")
    cluster.event("C", at_ms=5 * MINUTE_MS)


def _queued(cluster: Cluster) -> None:
    burst(cluster)

    def staff() -> None:
        for case in cluster.world.open_cases(100):
            cluster.world.activate(case.id)
        cluster.world.manner.new_status = "active"

    cluster.at(QUEUED_MS, staff, "agents are back, and take what is queued")


def _over_a_weekend(cluster: Cluster) -> None:
    """From Friday evening to Monday morning nobody takes what is queued; one more reply comes on Sunday."""
    burst(cluster)
    cluster.event("E", at_ms=40 * HOUR_MS)

    def staff() -> None:
        for case in cluster.world.open_cases(100):
            cluster.world.activate(case.id)
        cluster.world.manner.new_status = "active"

    cluster.at(62 * HOUR_MS, staff, "agents are back, and take what is queued")


def _pending(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    case = cluster.world.create(100, CONTACT, "Waiting for an agent.")
    case.status = "pending"
    cluster.event("A")
    cluster.at(3 * MINUTE_MS, lambda: cluster.world.activate(case.id), "an agent takes the case")


def _behind_another(cluster: Cluster) -> None:
    """B waits long behind A, and is due for a real attempt of its own after that."""
    cluster.world.root(100, CONTACT)
    cluster.event("A")
    cluster.event("B", at_ms=100)


def _merged_between(cluster: Cluster) -> None:
    """The contact of the first reply is another's when the second comes, under its old id."""
    two(cluster)
    cluster.at(10_000, lambda: cluster.world.merge(CONTACT, 8), "the contact is merged into another")
    cluster.at(15_000, lambda: cases_close(cluster), "an agent closes the case")


def _merged_goes_on(cluster: Cluster) -> list[str]:
    """Whoever worked the thread before the merger knows whose it is."""
    first, second = (event.id for event in cluster.events[:2])
    done = {effect.reopen_id: effect.made_ms for effect in cluster.world.done}
    if done.get(first, 10_000) >= 9_000 or second in done or cluster.excuses.get(second):
        return []
    return ["given up: the second reply is of a contact that was merged, and was not sent"]


def _poisonous(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.world.root(200, CONTACT)
    cluster.event("A")
    cluster.event("B", at_ms=100, thread_id=200)


def _kills_its_worker(cluster: Cluster, task: Task, step: Step) -> bool:
    """Whoever reads thread 100 dies of it."""
    if step.kind != "read" or "thread 100" not in step.told() or not task.node.alive:
        return False
    cluster.simulation.tell(task.node, "dies of what it read")
    cluster.simulation.kill(task.node, 2_000)
    return True


def _poison_is_held(cluster: Cluster) -> list[str]:
    record = cluster.server.at(f"reopener:r:{cluster.events[0].id}")
    poison = (record["status"], record.get("reason")) == ("held", "poison")
    return [] if poison else [f"poison: it is {record['status']} ({record.get('reason')})"]


def _shows(**how: object) -> Callable[[], Manner]:
    return lambda: Manner(**how)  # type: ignore[arg-type]


WEEKEND = Scenario("in the queue over a weekend", _over_a_weekend, _shows(new_status="queue"), one_case=True)
"""At its full length: thousands of steps, so it is played apart from the others."""

SCENES = (
    Scenario("pages of two", _many_cases, _shows(page_size=2), meddling=("agent reopens",)),
    Scenario("pages counted one by one", _many_cases, _shows(page_size=2, counts_page_only=True)),
    Scenario("the list lags", burst, _shows(list_lag_ms=4_000), one_case=True),
    Scenario(
        "all reads lag",
        burst,
        _shows(list_lag_ms=4_000, case_lag_ms=4_000, message_lag_ms=4_000),
        one_case=True,
    ),
    Scenario("messages lag", open_case, _shows(message_lag_ms=6_000)),
    Scenario("a long lag, measured before", _measured_lag, _shows(list_lag_ms=20_000)),
    Scenario("the list is down", burst, _shows(list_down_until_ms=10 * MINUTE_MS), one_case=True),
    Scenario(
        "the list is down, and meddling",
        two,
        _shows(list_down_until_ms=10 * MINUTE_MS),
        meddling=AGENTS_AND_WIDGETS,
    ),
    Scenario("the list comes and goes", two, _shows(list_down_until_ms=6_000), one_case=True),
    Scenario(
        "nothing can be read",
        two,
        _shows(list_down_until_ms=10 * MINUTE_MS, contact_down_until_ms=2 * MINUTE_MS),
        one_case=True,
    ),
    Scenario("messages are down", open_case, _shows(messages_down_until_ms=40_000)),
    Scenario("no call for messages", open_case, _shows(no_messages_call=True), allowed=UNREADABLE),
    Scenario(
        "last messages only",
        open_case,
        _shows(last_message_only=True),
        meddling=("widget writes",),
        allowed=UNREADABLE,
    ),
    Scenario("no words shown", two, _shows(textless=True), meddling=AGENTS_AND_WIDGETS, allowed=UNREADABLE),
    Scenario(
        "no words shown, and nothing else",
        one,
        _shows(textless=True),
        allowed=UNREADABLE,
        harmless=frozenset({"suspended for 20 s after"}),
    ),
    Scenario(
        "no words shown, but a token",
        one,
        _shows(textless=True, echoes_token=True),
        meddling=("agent reopens",),
        allowed=UNREADABLE,
    ),
    Scenario("long in the queue", _queued, _shows(new_status="queue"), one_case=True),
    Scenario("a pending case", _pending),
    Scenario(
        "Acquire is away for long",
        two,
        _shows(away_until_ms=6 * MINUTE_MS),
        allowed=frozenset({"dead:attempts_exhausted"}),
        one_case=True,
    ),
    Scenario(
        "Acquire fails for a day",
        _behind_another,
        _shows(fails_until_ms=24 * 60 * MINUTE_MS),
        policy=replace(DEFAULTS, max_attempts=2, settle_ms=4_000),
        allowed=frozenset({"dead:attempts_exhausted", "dead:too_old"}),
    ),
    Scenario(
        "the key is refused for minutes",
        burst,
        _shows(key_refused_until_ms=MINUTE_MS),
        one_case=True,
    ),
    Scenario(
        "little age, and no call goes through",
        _behind_another,
        _shows(takes_no_calls_until_ms=4 * MINUTE_MS),
        policy=replace(DEFAULTS, max_age_ms=MINUTE_MS),
        allowed=frozenset({"dead:too_old"}),
    ),
    Scenario("the contact is merged", two, meddling=("contact merged",), allowed=frozenset({"dead:refused"})),
    Scenario(
        "the contact is merged between two replies",
        _merged_between,
        allowed=frozenset({"dead:refused"}),
        expect=_merged_goes_on,
    ),
    Scenario(
        "a reply kills its worker",
        _poisonous,
        allowed=frozenset({"held:poison"}),
        always=_kills_its_worker,
        expect=_poison_is_held,
    ),
)
