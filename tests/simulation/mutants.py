"""The rules of docs/protocol.md, taken out one at a time: the simulation must notice each.

A rule that stands in a Lua script is taken out of the script's source, one in Python out of the module that
uses it. `python -m tests.simulation --mutants` prints which history tells on which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from service.domain import plan, settle
from service.domain.outcomes import NotSent, Unknown
from service.domain.ports import Lease
from service.domain.threads import without_intent
from service.ledger.leases import Leases
from service.ledger.recent import Recent
from service.ledger.rewrites import Rewrites
from tests.simulation.ledger_twin import SCRIPTS
from tests.simulation.play import SCENARIOS, Played, play, play_struck, steps_without_faults
from workers import look, reopen, send
from workers.head import Head

MOST_HISTORIES = 800

Absent = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`without` takes the rule out for as long as its context lasts."""

    rule: int
    missing: str
    scenario: str
    without: Absent
    history: Mapping[int, str] = field(default_factory=dict)
    """Faults by their steps, known to tell where the numbered histories take long to."""

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.missing}"


def told_on(mutant: Mutant) -> Played | None:
    """The first history of the mutant's scenario that breaks a promise, None where none does."""
    index = [scenario.name for scenario in SCENARIOS].index(mutant.scenario)
    steps_without_faults(SCENARIOS[index])  # what a number means does not hang on the mutant
    with mutant.without():
        for played in _histories(mutant, index):
            if played.violations:
                return played
    return None


def _histories(mutant: Mutant, index: int) -> Iterator[Played]:
    yield play_struck(SCENARIOS[index], mutant.history)
    for turn in range(MOST_HISTORIES):
        yield play(turn, scenarios=(SCENARIOS[index],))


def _script(old: str, new: str, *names: str) -> Absent:
    """The scripts that have this text (or those named), with another in its place."""

    def without() -> AbstractContextManager[Any]:
        changed = {
            name: source.replace(old, new)
            for name, source in SCRIPTS.items()
            if old in source and (not names or name in names)
        }
        if not changed:
            raise LookupError(f"no script has {old!r} any more")
        return patch.dict(SCRIPTS, changed)

    return without


def _patched(owner: Any, name: str, new: Any) -> Absent:
    return lambda: patch.object(owner, name, new)


async def _not_written(_: Leases, lease: Lease, *__: Any) -> Lease:
    return replace(lease, noted=())


async def _all_count(_: Any, __: Any, cases: Any, *___: Any) -> Any:
    return cases


@contextmanager
def _unknown_is_not_sent() -> Iterator[None]:
    record = send._record

    async def recorded(head: Any, intent: Any, seen: Any, outcome: Any) -> Any:
        return await record(
            head, intent, seen, NotSent(outcome.error) if isinstance(outcome, Unknown) else outcome
        )

    with patch.object(send, "_record", recorded):
        yield


def _settled_at_once(*args: Any, **more: Any) -> Any:
    return settle.settle(*args, **{**more, "settle_ms": 0})


def _dropped_when_absent(thread: Any, intent: Any) -> Any:
    return without_intent(thread, intent) if intent.state == "absent" else KEEP(thread, intent)


def _counted_as_sent(head: Any, *, sent: bool) -> None:
    head.reopen = replace(head.reopen, spent=head.reopen.spent + 1, sent=head.reopen.sent + 1)


async def _not_caught_up(*_: Any) -> None:
    return None


KEEP = settle.with_intent

MUTANTS = (
    Mutant(
        1,
        "an event is admitted once",
        "a reply delivered often",
        _script("local id = known_id(a)", "local id = nil"),
    ),
    Mutant(
        1,
        "several events of one reply are one",
        "several events of one reply",
        _script("same = a.message_key ~= '' and told_by", "same = false and told_by"),
    ),
    Mutant(
        1,
        "a message and the reopening it causes are one",
        "a reply in two halves",
        _script("same = same or other_half(a)", ""),
    ),
    Mutant(
        2,
        "one worker at a time",
        "a burst",
        _script(
            "and not held_by(box, token) then\n  return { 'unclaimed'",
            "and false then\n  return { 'unclaimed'",
        ),
    ),
    Mutant(
        2,
        "threads are canonical before anything is sent",
        "a thread always named by a later case",
        _script("\nmove_box(box, root)\n", "\n", "reroot"),
    ),
    Mutant(
        3,
        "decisions are fenced",
        "a burst",
        _script(
            "if epoch_id ~= ARGV[4] or not latest or step < latest then",
            "latest, renewals = latest or 0, renewals or 0\nif false then",
        ),
    ),
    Mutant(
        3,
        "observations are kept, fenced or not",
        "no words shown, and nothing else",
        _script("redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])", ""),
        {5: "suspended for 20 s after"},
    ),
    Mutant(
        4,
        "a look shows all that is known to exist",
        "the list lags",
        _patched(look, "_with_known", _all_count),
    ),
    Mutant(
        5,
        "the customer's words are in what is adopted",
        "one reply, and meddling",
        _patched(settle, "carries", lambda *_: True),
        {4: "suspended for 60 s after", 5: "widget writes"},
    ),
    Mutant(
        5,
        "what was lost is adopted",
        "one reply",
        _patched(settle, "_fresh", lambda *_: []),
    ),
    Mutant(
        6,
        "an open case gets the message",
        "a burst",
        _patched(plan, "target", lambda *_: None),
    ),
    Mutant(
        7,
        "an intent is durable before the first byte",
        "one reply",
        _patched(Leases, "save", _not_written),
    ),
    Mutant(
        8,
        "the last check before the first byte",
        "one reply",
        _patched(Lease, "outlives", lambda *_: True),
    ),
    Mutant(9, "a lost answer is unknown", "one reply", _unknown_is_not_sent),
    Mutant(
        9,
        "a 2xx for another thread is never sent again",
        "two replies",
        _patched(send, "_misplaced", lambda *_: False),
        {5: "names a known case"},
    ),
    Mutant(
        10,
        "absence takes the settle time",
        "one reply",
        _patched(reopen, "settle", _settled_at_once),
        {5: "acts within the settle time", 9: "suspended for 60 s after"},
    ),
    Mutant(
        10,
        "absence takes thrice the read lag",
        "a long lag, measured before",
        _patched(settle, "READ_LAGS", 0),
        {80: "lost after"},
    ),
    Mutant(
        11,
        "later replies wait behind their head",
        "a burst",
        _script("'inbox:' .. box, 0, 99)", "'inbox:' .. box, -1, -1)"),
    ),
    Mutant(
        11,
        "what kills its workers is held",
        "a reply kills its worker",
        _patched(reopen, "POISON_CLAIMS", 10**9),
    ),
    Mutant(
        11,
        "nothing is dead without a call of its own",
        "little age, and no call goes through",
        _patched(Head, "count", _counted_as_sent),
    ),
    Mutant(
        12,
        "what is overdue is rung again",
        "two replies",
        _script("boxes[#boxes + 1] = box", ""),
        {5: "killed before"},
    ),
    Mutant(
        12,
        "who counts on a bell is looked after when it expires",
        "a burst",
        _script("redis.call('ZADD', P .. 'due', 'NX', expiry, box)", ""),
        {11: "killed before", 12: "killed before"},
    ),
    Mutant(
        13,
        "what Redis forgot is looked for",
        "one reply, and Redis forgets",
        _script("'forgot_ms', text(now)", "'forgot_ms', '0'"),
    ),
    Mutant(
        13,
        "receivers admit once more what Redis forgot",
        "one reply, and Redis forgets",
        _patched(Recent, "behind", lambda *_: []),
    ),
    Mutant(
        13,
        "what Redis forgot comes before what comes now",
        "a burst, and Redis forgets",
        _script("if ARGV[7] ~= '' and ARGV[7] ~= epoch_id then", "if false then"),
    ),
    Mutant(
        13,
        "workers write once more what Redis forgot",
        "no words shown, and Redis forgets",
        _patched(Rewrites, "catch_up", _not_caught_up),
    ),
    Mutant(
        13,
        "an answer about another thread is known to who is fenced",
        "acted elsewhere, and Redis forgets",
        _script("redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])", "", "write"),
    ),
    Mutant(
        14,
        "a repeated write undoes no later one",
        "a burst",
        _script("or step < latest then", "then"),
        {14: "runs again later", 18: "killed after"},
    ),
    Mutant(
        15,
        "what was removed leaves a tombstone",
        "removed, and repeated",
        _script("redis.call('SET', tombstone(salt, id), '', 'PX', tombstone_ms)", ""),
    ),
    Mutant(
        15,
        "verbs are compare-and-set on status",
        "verbs at any time",
        _script("if not set_of(ARGV[2])[r[1]] then", "if false then"),
    ),
    Mutant(
        15,
        "an outcome held for a person has to settle after all",
        "unknown is held, and resolved at once",
        _patched(reopen, "with_intents_taken_up", lambda thread, _: thread),
        {5: "acts within the settle time"},
    ),
    Mutant(
        16,
        "what comes later than every look is found",
        "one reply",
        _patched(settle, "with_intent", _dropped_when_absent),
        {5: "acts after the settle time"},
    ),
)
