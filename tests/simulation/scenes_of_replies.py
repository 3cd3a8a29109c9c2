"""Customers reply: once, in bursts, several times the same, into open and closed cases."""

from __future__ import annotations

from dataclasses import replace

from service.domain.events import Half
from service.ledger.admission import HalfReply
from tests.simulation.acquire_world import Manner
from tests.simulation.cluster import CONTACT, Cluster
from tests.simulation.scenarios import DEFAULTS, Scenario

AGENTS_AND_WIDGETS = ("agent reopens", "widget writes", "cases close")
HOUR_MS = 3_600_000
LONG = "The heating in the second room does not come on any more, & the display shows <E4>.   Please call me."


def one(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.event("A")


def burst(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    for number, name in enumerate("ABCD"):
        cluster.event(name, at_ms=number * 40)


def two(cluster: Cluster) -> None:
    """The second comes when the first is done, if nothing struck that."""
    cluster.world.root(100, CONTACT)
    cluster.event("A")
    cluster.event("B", at_ms=20_000)


def _delivered_often(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    event = cluster.event("A", times=3)
    cluster.event("B", at_ms=30)
    cluster.again(event, at_ms=2_000)
    cluster.again(event, at_ms=40_000)


def _events_of_one_reply(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.event("A", message_key="support:ticket-100:55")
    cluster.event("A as status change", at_ms=10, message_key="support:ticket-100:55")
    cluster.event("B", at_ms=20, message_key="support:ticket-100:56")


def _one_effect_for_one_reply(cluster: Cluster) -> list[str]:
    replies = {event.id for event in cluster.events[:3]}
    if len({done.reopen_id for done in cluster.world.done} & replies) <= 2:
        return []
    return ["twice: several events of one reply came to more than one effect"]


def _in_halves(name: str, half: Half, at_ms: int, cluster: Cluster) -> None:
    told = HalfReply(half, "ticket-100", at_ms, 86_400)
    cluster.event(name, at_ms=at_ms, half=told, text="" if half == "message" else None)


def _halves_of_a_reply(cluster: Cluster) -> None:
    """A message and the reopening it causes, in either order, and one of each alone."""
    cluster.world.root(100, CONTACT)
    told: tuple[tuple[str, Half, int], ...] = (
        ("A", "message", 0),
        ("A reopens", "reopening", 2),
        ("B reopens", "reopening", 30_000),
        ("B", "message", 30_400),
        ("C reopens", "reopening", 90_000),
        ("D", "message", 150_000),
    )
    for each in told:
        _in_halves(*each, cluster)


def _halves_are_one(cluster: Cluster) -> list[str]:
    """A message that came while its reopening could still wait for it is one with it."""
    a, a_reopens, b_reopens, b, *_ = cluster.events
    return [
        f"twice: {message.admission.event_id} and its reopening are two reopens"
        for message, reopening, until_ms in ((a, a_reopens, 9_000), (b, b_reopens, 39_000))
        if message.answers and message.first_answered_ms < until_ms
        if reopening.answers and message.id != reopening.id
    ]


def _two_threads(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.world.root(200, CONTACT)
    for number, (name, thread_id) in enumerate((("A", 100), ("B", 200), ("C", 100), ("D", 200))):
        cluster.event(name, at_ms=number * 60, thread_id=thread_id)


def open_case(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.world.create(100, CONTACT, "Somebody takes care of it.")
    cluster.event("A")
    cluster.event("B", at_ms=50)


def _same_words(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    for number, name in enumerate("ABC"):
        cluster.event(name, at_ms=number * 400, text="Thanks")


def _same_words_as_before(cluster: Cluster) -> None:
    """The widget said the same an hour ago."""
    cluster.world.root(100, CONTACT)
    case = cluster.world.create(100, CONTACT, "Thanks")
    cluster.world.append(case.id, "Thanks")
    case.made_ms = -HOUR_MS
    for message in case.messages:
        message.made_ms = -HOUR_MS
    cluster.event("A", text="Thanks")
    cluster.event("B", at_ms=300, text="Thanks")


def _without_words(cluster: Cluster) -> None:
    open_case(cluster)
    cluster.event("C", at_ms=70, text=None)


def _long_words(cluster: Cluster) -> None:
    cluster.world.root(100, CONTACT)
    cluster.event("A", text=LONG)
    cluster.event("B", at_ms=40, text=f"{LONG} It is urgent.")


def _closing(cluster: Cluster) -> None:
    """Agents close the case again and again while replies come."""
    burst(cluster)
    for ms in (350, 700, 1_000, 1_500, 20_000):
        cluster.at(ms, lambda: cases_close(cluster), "an agent closes every open case")


def cases_close(cluster: Cluster) -> None:
    for case in cluster.world.open_cases(100):
        cluster.world.close(case.id)


def _given_a_later_case(cluster: Cluster) -> None:
    """Some events name the thread by a later case's id."""
    cluster.world.root(100, CONTACT)
    later = cluster.world.create(100, CONTACT, "Opened before.")
    cluster.world.close(later.id)
    cluster.event("A", thread_id=100)
    cluster.event("B", at_ms=10, thread_id=later.id)
    cluster.event("C", at_ms=20, thread_id=100)
    cluster.event("D", at_ms=9_000, thread_id=later.id)


def _always_a_later_case(cluster: Cluster) -> None:
    """Every event names the thread by a later case's id."""
    cluster.world.root(100, CONTACT)
    later = cluster.world.create(100, CONTACT, "Opened before.")
    cluster.world.close(later.id)
    cluster.event("A", thread_id=later.id)
    cluster.event("B", at_ms=500, thread_id=later.id)


SCENES = (
    Scenario("one reply", one, one_case=True),
    Scenario("one reply, and meddling", one, meddling=AGENTS_AND_WIDGETS),
    Scenario("one reply, and Redis forgets", one, forgets=True),
    Scenario("a burst", burst, one_case=True),
    Scenario("a burst, and meddling", burst, meddling=AGENTS_AND_WIDGETS),
    Scenario("a burst, and Redis forgets", burst, forgets=True),
    Scenario("two replies", two, one_case=True),
    Scenario("two replies, and Redis forgets", two, forgets=True),
    Scenario("a reply delivered often", _delivered_often, one_case=True),
    Scenario("a reply delivered often, and Redis forgets", _delivered_often, forgets=True),
    Scenario(
        "several events of one reply", _events_of_one_reply, one_case=True, expect=_one_effect_for_one_reply
    ),
    Scenario(
        "a reply in two halves",
        _halves_of_a_reply,
        one_case=True,
        allowed=frozenset({"skipped:nothing_to_append", "held:effect_unreadable"}),
        expect=_halves_are_one,
    ),
    Scenario("two threads", _two_threads),
    Scenario("an open case", open_case),
    Scenario("an open case, and meddling", open_case, meddling=AGENTS_AND_WIDGETS),
    Scenario("an open case, and Redis forgets", open_case, forgets=True),
    Scenario(
        "an open case is left alone",
        open_case,
        policy=replace(DEFAULTS, append_to_open_case=False),
        allowed=frozenset({"skipped:case_open"}),
    ),
    Scenario("without words", _without_words, allowed=frozenset({"skipped:nothing_to_append"})),
    Scenario("the same words", _same_words, one_case=True),
    Scenario("the same words, and Redis forgets", _same_words, forgets=True),
    Scenario("the same words as before", _same_words_as_before),
    Scenario("long words, escaped", _long_words, manner=lambda: Manner(escapes=True), one_case=True),
    Scenario(
        "long words, cut",
        _long_words,
        manner=lambda: Manner(cuts_at=40),
        allowed=frozenset({"held:effect_unreadable"}),
    ),
    Scenario(
        "words cut short",
        _long_words,
        manner=lambda: Manner(cuts_at=12),
        allowed=frozenset({"held:effect_unreadable"}),
    ),
    Scenario("cases close again", _closing),
    Scenario("a thread named by a later case", _given_a_later_case),
    Scenario("a thread named by a later case, and Redis forgets", _given_a_later_case, forgets=True),
    Scenario("a thread always named by a later case", _always_a_later_case),
)
