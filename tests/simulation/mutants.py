"""The rules of docs/protocol.md, taken out one at a time: the simulation must notice each.

`python -m tests.simulation --mutants` prints which history tells on which.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from service.domain import plan, settle
from service.domain.cases import Case
from service.domain.outcomes import NotSent, Unknown
from service.domain.ports import Acquire, Lease
from service.domain.threads import without_intent
from service.ledger.leases import Leases
from service.ledger.recent import Recent
from service.ledger.rewrites import Rewrites
from tests.simulation.mutant import Mutant, patched, script_without
from workers import head, look, reopen, send
from workers.head import Head


async def _not_written(_: Leases, lease: Lease, *__: Any, **___: Any) -> Lease:
    return replace(lease, noted=())


async def _as_it_is_named(acquire: Acquire, thread_id: int) -> dict[int, Case]:
    read = await acquire.read_thread(thread_id)
    return {case.id: case for case in (read.root, *read.page.cases) if case}


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
        script_without("local id = known_id(a)", "local id = nil"),
    ),
    Mutant(
        1,
        "several events of one reply are one",
        "several events of one reply",
        script_without("same = a.message_key ~= '' and told_by", "same = false and told_by"),
    ),
    Mutant(
        1,
        "a message and the reopening it causes are one",
        "a reply in two halves",
        script_without("same = same or other_half(a)", ""),
    ),
    Mutant(
        2,
        "one worker at a time",
        "a burst",
        script_without(
            "if is_held and not step then\n  return { 'unclaimed'",
            "if false then\n  return { 'unclaimed'",
        ),
    ),
    Mutant(
        2,
        "threads are canonical before anything is sent",
        "a thread always named by a later case",
        patched(look, "_thread_view", _as_it_is_named),
    ),
    Mutant(
        3,
        "decisions are fenced",
        "a burst",
        script_without(
            "if epoch_id ~= ARGV[4] or not latest or step < latest then",
            "latest, renewals = latest or 0, renewals or 0\nif false then",
        ),
    ),
    Mutant(
        3,
        "observations are kept, fenced or not",
        "no words shown, and nothing else",
        script_without("redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])", ""),
        {5: "suspended for 20 s after"},
    ),
    Mutant(
        4,
        "a look shows all that is known to exist",
        "the list lags",
        patched(look, "_with_known", _all_count),
    ),
    Mutant(
        5,
        "the customer's words are in what is adopted",
        "one reply, and meddling",
        patched(settle, "carries", lambda *_: True),
        {4: "suspended for 60 s after", 5: "widget writes"},
    ),
    Mutant(
        5,
        "what was lost is adopted",
        "one reply",
        patched(settle, "fresh", lambda *_: []),
    ),
    Mutant(
        6,
        "an open case gets the message",
        "a burst",
        patched(plan, "target", lambda *_: None),
    ),
    Mutant(
        7,
        "an intent is durable before the first byte",
        "one reply",
        patched(Leases, "save", _not_written),
    ),
    Mutant(
        8,
        "the last check before the first byte",
        "one reply",
        patched(Lease, "outlives", lambda *_: True),
    ),
    Mutant(9, "a lost answer is unknown", "one reply", _unknown_is_not_sent),
    Mutant(
        9,
        "a 2xx for another thread is never sent again",
        "two replies",
        patched(send, "_misplaced", lambda *_: False),
        {5: "names a known case"},
    ),
    Mutant(
        10,
        "absence takes the settle time",
        "one reply",
        patched(reopen, "settle", _settled_at_once),
        {5: "acts within the settle time", 9: "suspended for 60 s after"},
    ),
    Mutant(
        10,
        "absence takes thrice the read lag",
        "a long lag, measured before",
        patched(settle, "READ_LAGS", 0),
        {80: "lost after"},
    ),
    Mutant(
        10,
        "nothing settles in the future when the clock went back",
        "one reply",
        patched(head, "with_clock_set_back", lambda thread, _: thread),
        {4: "killed after", 6: "Redis' clock jumps back"},
    ),
    Mutant(
        11,
        "later replies wait behind their head",
        "a burst",
        script_without("'inbox:' .. box, first, first + 99)", "'inbox:' .. box, -1, -1)"),
    ),
    Mutant(
        11,
        "what kills its workers is held",
        "a reply kills its worker",
        patched(reopen, "POISON_CLAIMS", 10**9),
    ),
    Mutant(
        11,
        "nothing is dead without a call of its own",
        "little age, and no call goes through",
        patched(Head, "count", _counted_as_sent),
    ),
    Mutant(
        12,
        "what is retried goes where its thread is by now",
        "verbs at any time, by a later case",
        script_without("waiting[to] and r.box and home_of(r.box) or r.box", "r.box"),
    ),
    Mutant(
        12,
        "what is overdue is rung again",
        "two replies",
        script_without("boxes[#boxes + 1] = box", ""),
        {5: "killed before"},
    ),
    Mutant(
        12,
        "who counts on a bell is looked after when it expires",
        "a burst",
        script_without("redis.call('ZADD', P .. 'due', 'NX', expiry, box)", ""),
        {5: "bells flushed", 6: "killed before"},
    ),
    Mutant(
        13,
        "what Redis forgot is looked for",
        "one reply, and Redis forgets",
        script_without("'forgot_ms', text(now)", "'forgot_ms', '0'"),
        {4: "Redis forgets", 5: "suspended for 60 s after"},
    ),
    Mutant(
        13,
        "receivers admit once more what Redis forgot",
        "one reply, and Redis forgets",
        patched(Recent, "behind", lambda *_: []),
    ),
    Mutant(
        13,
        "what Redis forgot comes before what comes now",
        "a burst, and Redis forgets",
        script_without("if ARGV[7] ~= '' and ARGV[7] ~= epoch_id then", "if false then"),
    ),
    Mutant(
        13,
        "workers write once more what Redis forgot",
        "no words shown, and Redis forgets",
        patched(Rewrites, "catch_up", _not_caught_up),
    ),
    Mutant(
        13,
        "an answer about another thread is known to who is fenced",
        "acted elsewhere, and Redis forgets",
        script_without("redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])", "", "write"),
    ),
    Mutant(
        14,
        "a repeated write undoes no later one",
        "a burst",
        script_without("or step < latest then", "then"),
        {14: "runs again later", 18: "killed after"},
    ),
    Mutant(
        15,
        "what was removed leaves a tombstone",
        "removed, and repeated",
        script_without("redis.call('SET', tombstone(salt, id), '', 'PX', tombstone_ms)", ""),
    ),
    Mutant(
        15,
        "verbs are compare-and-set on status",
        "cancelled at any time",
        script_without("if not set_of(ARGV[2])[r[1]] then", "if not set_of(ARGV[2])[r[1]] and not r[3] then"),
    ),
    Mutant(
        15,
        "what may still show in its thread goes on in no other",
        "unknown is held, and resolved to another thread",
        script_without("if may_show_in(r[4], one) then", "if false then"),
        {5: "acts within the settle time"},
    ),
    Mutant(
        15,
        "an outcome held for a person has to settle after all",
        "unknown is held, and resolved at once",
        patched(reopen, "with_intents_taken_up", lambda thread, _: thread),
        {5: "acts within the settle time"},
    ),
    Mutant(
        16,
        "what comes later than every look is found",
        "one reply",
        patched(settle, "with_intent", _dropped_when_absent),
        {5: "acts after the settle time"},
    ),
)
