"""People retry, cancel, resolve, link and run again, at once and while workers are at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from service.ledger.links import Link
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import CONTACT, Cluster
from tests.simulation.scenarios import DEFAULTS, Scenario
from tests.simulation.scenes_of_redis import first_call_acts_elsewhere
from tests.simulation.scenes_of_replies import burst, one, two

MINUTE_MS = 60_000
HELD = {"held_for": "contact_unknown", "contact_id": None, "thread_id": None, "ticket_id": "ticket-100"}


def _retried(cluster: Cluster) -> None:
    """Refused for good at first; a person mends it in Acquire and retries, three times over."""
    cluster.world.root(100, CONTACT)
    event = cluster.event("A")
    cluster.event("B", at_ms=50)
    for ms in (6 * MINUTE_MS, 6 * MINUTE_MS + 1, 6 * MINUTE_MS + 700):
        for each in (event, cluster.events[1]):
            cluster.verb(ms, "retry", each.id)


def _verbs_at_any_time(cluster: Cluster) -> None:
    burst(cluster)
    _retried_and_cancelled(cluster)


def _verbs_by_a_later_case(cluster: Cluster) -> None:
    """What is cancelled lies in the later case's box when a look shows whose case it is."""
    cluster.world.root(100, CONTACT)
    later = cluster.world.create(100, CONTACT, "Opened before.")
    cluster.world.close(later.id)
    for number, name in enumerate("ABC"):
        cluster.event(name, at_ms=number * 300, thread_id=later.id)
    _retried_and_cancelled(cluster)


def _retried_and_cancelled(cluster: Cluster) -> None:
    for event in cluster.events:
        for _ in range(2):
            verb = cluster.rng.choice(("retry", "cancel", "cancel"))
            cluster.verb(cluster.rng.randrange(0, 4_000), verb, event.id)
        cluster.verb(cluster.rng.randrange(2_000, 60_000), "retry", event.id)


def _cancelled_at_any_time(cluster: Cluster) -> None:
    burst(cluster)
    for event in cluster.events:
        for _ in range(2):
            cluster.verb(cluster.rng.randrange(0, 1_500), "cancel", event.id)


def _stays_cancelled(cluster: Cluster) -> Iterator[str]:
    """Whoever is told that it is cancelled can rely on that."""
    for _, name in cluster.agreed:
        record = cluster.server.at(f"reopener:r:{name}")
        if name not in cluster.causes and (record is None or record["status"] != "cancelled"):
            yield f"untrue: a person was told that {name} is cancelled, and it is not"


def _resolved_twice(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    for number, name in enumerate("ABC"):
        cluster.event(name, at_ms=number * 30, **HELD)
    for number in (0, 0, 1):
        event = cluster.events[number]
        cluster.verb(3_000 + number, "resolve", event.id, CONTACT, 100)
    cluster.events_left_their_line()


def _resolved_and_linked(cluster: Cluster) -> None:
    """The link comes while replies still come; all of them go on in order."""
    cluster.world.root(100, CONTACT)
    for number, name in enumerate("ABCD"):
        cluster.event(name, at_ms=number * 400, **HELD)
    cluster.verb(900, "link", "support", "ticket-100", Link(CONTACT, 100))
    cluster.verb(901, "resolve", cluster.events[0].id, CONTACT, 100)
    cluster.verb(5_000, "link", "support", "ticket-100", Link(CONTACT, 100))
    cluster.out_of_line.clear()


def _parked(cluster: Cluster) -> None:
    """Unknown is a person's matter; the person lets it go on at once."""
    two(cluster)
    for ms in (6_000, 9_000, 25_000, 60_000, 120_000, 240_000):
        for event in cluster.events:
            cluster.verb(ms, "resolve", event.id, CONTACT, 100)


def _parked_and_moved(cluster: Cluster) -> None:
    """Unknown is a person's matter; the person takes it for another thread's."""
    two(cluster)
    cluster.world.root(200, CONTACT)
    for ms in (9_000, 60_000):
        for event in cluster.events:
            cluster.verb(ms, "resolve", event.id, CONTACT, 200)


def _run_again(cluster: Cluster) -> None:
    one(cluster)
    event = cluster.events[0]
    cluster.run_again(MINUTE_MS, event, "again-of-A")
    cluster.run_again(MINUTE_MS + 5, event, "again-of-A")


def _once_more(cluster: Cluster) -> list[str]:
    again = [done for done in cluster.world.done if done.reopen_id == "again-of-A"]
    return (
        []
        if again or cluster.excuses.get("again-of-A")
        else ["lost: what a person wanted done once more was not done"]
    )


def _elsewhere_and_retried(cluster: Cluster) -> None:
    """Acquire acted on another thread; a person retries that and resolves it, then runs it again."""
    one(cluster)
    event = cluster.events[0]
    for ms in (MINUTE_MS, MINUTE_MS + 3):
        cluster.verb(ms, "retry", event.id)
        cluster.verb(ms + 1_000, "resolve", event.id, CONTACT, 100)
    cluster.run_again(5 * MINUTE_MS, event, "again-of-A")


def _only_run_again_goes_on(cluster: Cluster) -> list[str]:
    """Without other faults it stays held, all four verbs were refused, and one case came of run again."""
    if cluster.struck:
        return []
    record = cluster.server.at(f"reopener:r:{cluster.events[0].id}")
    wrong = []
    if (record["status"], record.get("reason")) != ("held", "acted_elsewhere"):
        wrong.append(f"untrue: it is {record['status']} ({record.get('reason')})")
    if len(cluster.refused) != 4:
        wrong.append(f"untrue: {len(cluster.refused)} of four verbs were refused")
    if [done.reopen_id for done in cluster.world.done] != ["again-of-A"]:
        wrong.append("twice: it was sent again by something else than run again")
    return wrong


def _paused(cluster: Cluster) -> None:
    burst(cluster)
    cluster.pause(30, 10 * MINUTE_MS)


def _looked_up(cluster: Cluster) -> None:
    """The events name an address alone; Acquire has one contact of it."""
    cluster.world.root(100, CONTACT)
    cluster.world.emails[CONTACT] = "customer@example.com"
    told = {"contact_id": None, "thread_id": None, "email": "customer@example.com", "ticket_id": "ticket-100"}
    for number, name in enumerate("ABC"):
        cluster.event(name, at_ms=number * 50, **told)


SCENES = (
    Scenario("retried by a person", _retried, manner=lambda: Manner(refuses_until_ms=5 * MINUTE_MS)),
    Scenario("verbs at any time", _verbs_at_any_time, allowed=frozenset({"cancelled"})),
    Scenario(
        "verbs at any time, and nothing can be read",
        _verbs_at_any_time,
        manner=lambda: Manner(list_down_until_ms=20_000, contact_down_until_ms=20_000),
        allowed=frozenset({"cancelled"}),
    ),
    Scenario("verbs at any time, by a later case", _verbs_by_a_later_case, allowed=frozenset({"cancelled"})),
    Scenario(
        "cancelled at any time",
        _cancelled_at_any_time,
        allowed=frozenset({"cancelled"}),
        expect=_stays_cancelled,
    ),
    Scenario("held, and resolved twice", _resolved_twice),
    Scenario("held, resolved and linked", _resolved_and_linked),
    Scenario(
        "held, resolved and linked, and Redis forgets",
        _resolved_and_linked,
        forgets=True,
        allowed=frozenset({"held:contact_unknown"}),
    ),
    Scenario(
        "unknown is held, and resolved at once",
        _parked,
        policy=replace(DEFAULTS, hold_unknown=True),
        allowed=frozenset({"held:outcome_unknown"}),
    ),
    Scenario(
        "unknown is held, and resolved to another thread",
        _parked_and_moved,
        policy=replace(DEFAULTS, hold_unknown=True),
        allowed=frozenset({"held:outcome_unknown"}),
    ),
    Scenario("run again", _run_again, expect=_once_more),
    Scenario(
        "acted elsewhere, and retried",
        _elsewhere_and_retried,
        allowed=frozenset({"held:acted_elsewhere"}),
        always=first_call_acts_elsewhere,
        expect=_only_run_again_goes_on,
    ),
    Scenario("paused", _paused, one_case=True),
    Scenario("looked up by address", _looked_up, one_case=True),
)
