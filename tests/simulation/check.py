"""Did the history keep its promises? Compares what the ledger says with what truly happened."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise, permutations

from service.domain.reopens import WAITING, Reopen, Status
from service.domain.threads import Effect, Thread
from tests.simulation.acquire_world import Done
from tests.simulation.cluster import Cluster
from tests.simulation.engine import START_MS
from tests.simulation.scenarios import Scenario
from tests.simulation.stored import records_of, threads_of

FIRST_LOOK_MS = 15_000
JUMPED_AHEAD = "redis_clock_jumped_ahead"
WITH_EFFECT = {Status.REOPENED, Status.APPENDED}
WITHOUT_EFFECT = {Status.DEAD, Status.SKIPPED, Status.CANCELLED}


def violations(cluster: Cluster, scenario: Scenario, allowed: frozenset[str]) -> list[str]:
    """All that is wrong at the end of a history; `allowed` are ends that its events may come to."""
    records, threads, done = records_of(cluster), threads_of(cluster), _done(cluster)
    return [
        *cluster.simulation.errors,
        *_lost(cluster, records),
        *_stuck(records),
        *_twice(cluster, records, threads, done),
        *_untrue(cluster, records, done),
        *_denied(cluster, records, done),
        *_ended_without_right(cluster, records, allowed),
        *_disorder(records, done, cluster),
        *_out_of_receipt(cluster, records),
        *_books(cluster, records, threads),
        *(_cases_made(cluster) if scenario.one_case else ()),
    ]


def late_looks(cluster: Cluster) -> list[str]:
    """After a kill, somebody looks at what was in flight within 15 s, if nothing else is in the way. What was
    called by a later case is looked at with its thread, where that is known by then.
    """
    return [
        f"late: nobody looked at thread {thread_id} within 15 s after its worker was killed"
        for killed_ms, thread_id in cluster.in_flight_at_kill
        if not any(
            looked_at in {thread_id, cluster.world.cases[thread_id].thread_id}
            and killed_ms < looked_ms <= killed_ms + FIRST_LOOK_MS
            for looked_ms, looked_at in cluster.world.looked
        )
    ]


def cause_of(cluster: Cluster, effects: list[Done]) -> str | None:
    """Why nobody could rule out that an event has several effects; None where there is no such reason."""
    manner, reopen_id = cluster.world.manner, effects[0].reopen_id
    lag_ms = max(manner.list_lag_ms, manner.message_lag_ms)
    if any(lag_ms > max(cluster.policy.settle_ms, 3 * done.measured_lag_ms) for done in effects[:-1]):
        return "shown_too_late"
    return cluster.causes.get(reopen_id)


def doubled(cluster: Cluster) -> dict[str, list[Done]]:
    """The events that truly had more than one effect."""
    return {reopen_id: effects for reopen_id, effects in _done(cluster).items() if len(effects) > 1}


def said_before(cluster: Cluster) -> list[str]:
    """The events that Redis, set back and started anew, takes for done: the very same words were said as long
    before as its clock went back. Nobody can tell them from what it forgot.
    """
    if not cluster.redis_was_set_back:
        return []
    return [reopen_id for reopen_id, _ in _of_others(cluster, records_of(cluster), _done(cluster))]


def _done(cluster: Cluster) -> dict[str, list[Done]]:
    done: dict[str, list[Done]] = defaultdict(list)
    for effect in cluster.world.done:
        done[effect.reopen_id].append(effect)
    return done


def _lost(cluster: Cluster, records: dict[str, Reopen]) -> Iterator[str]:
    """No event that got its 200 is forgotten, and none goes without an answer."""
    for event in cluster.events:
        if not event.answers:
            yield f"lost: {event.admission.event_id} was never answered"
        for answer in event.answers:
            if answer.reopen_id not in records and not _removed(cluster, answer.reopen_id):
                yield f"lost: {event.admission.event_id} was answered, and there is no record of it"
                break


def _removed(cluster: Cluster, reopen_id: str) -> bool:
    """Whether retention took it, and left its tombstone."""
    salt = cluster.server.at("reopener:salt")
    hashed = hashlib.sha1(f"{salt}{reopen_id}".encode(), usedforsecurity=False).hexdigest()
    return salt is not None and cluster.server.at(f"reopener:gone:{hashed[:24]}") is not None


def _stuck(records: dict[str, Reopen]) -> Iterator[str]:
    for reopen in records.values():
        if reopen.status in WAITING:
            yield f"stuck: {reopen.event_id} is {reopen.status.value} ({reopen.reason}) for good"


def _twice(
    cluster: Cluster, records: dict[str, Reopen], threads: list[Thread], done: dict[str, list[Done]]
) -> Iterator[str]:
    """No event has two effects; where that cannot be ruled out, the second is shown with its cause."""
    shown = {duplicate.effect for thread in threads for duplicate in thread.duplicates}
    alike = _alike(records, done)
    for reopen_id, effects in done.items():
        if len(effects) < 2 or reopen_id in alike:
            continue
        cause = cause_of(cluster, effects)
        names = ", ".join(f"{effect.kind} {effect.id}" for effect in effects)
        if cause is None:
            yield f"twice: {reopen_id} came about as {names}"
        elif not _removed(cluster, reopen_id) and not any(
            Effect(effect.kind, effect.id) in shown  # type: ignore[arg-type]
            for effect in effects
        ):
            yield f"not shown: {reopen_id} came about as {names} ({cause}), and no duplicate is shown"


def _alike(records: dict[str, Reopen], done: dict[str, list[Done]]) -> set[str]:
    """Replies of one thread with the very same words and no more effects than there are of them, of which one
    took another's: whose is whose nobody can tell, nor need to.
    """
    groups: dict[tuple[int | None, str | None], list[str]] = defaultdict(list)
    for reopen in records.values():
        groups[reopen.thread_id, reopen.text].append(reopen.id)
    return {
        reopen_id
        for (_, words), ids in groups.items()
        if words and max(counts := [len(done.get(each, ())) for each in ids]) > 1 and sum(counts) <= len(ids)
        for reopen_id in ids
    }


def _untrue(cluster: Cluster, records: dict[str, Reopen], done: dict[str, list[Done]]) -> Iterator[str]:
    """The case a reopen names is the one its words are in, or another with the very same words."""
    for reopen_id, has_words in _of_others(cluster, records, done):
        reopen = records[reopen_id]
        if not (has_words and cluster.redis_was_set_back):
            yield f"untrue: {reopen.event_id} names case {reopen.new_case_id}, which did not come of it"


def _of_others(
    cluster: Cluster, records: dict[str, Reopen], done: dict[str, list[Done]]
) -> Iterator[tuple[str, bool]]:
    """Reopens that name a case which did not come of them, and whether it has their very words. Where several
    replies of a thread have the same words, and each its effect, nobody can tell nor need to whose is whose.
    """
    texts = {case.id: {m.text for m in case.messages} | {case.text} for case in cluster.world.cases.values()}
    for reopen in records.values():
        if reopen.status not in WITH_EFFECT:
            continue
        if any(effect.case_id == reopen.new_case_id for effect in done.get(reopen.id, ())):
            continue
        has_words = bool(reopen.text) and reopen.text in texts.get(reopen.new_case_id or 0, ())
        if has_words and reopen.again_of is None:
            same = [r for r in records.values() if r.text == reopen.text and r.thread_id == reopen.thread_id]
            if len(same) > 1 and sum(len(done.get(r.id, ())) for r in same) >= len(same):
                continue
        yield reopen.id, has_words


def _denied(cluster: Cluster, records: dict[str, Reopen], done: dict[str, list[Done]]) -> Iterator[str]:
    """What is dead, skipped or cancelled has come to nothing in Acquire."""
    for reopen in records.values():
        effects = done.get(reopen.id)
        if reopen.status in WITHOUT_EFFECT and effects and reopen.id not in cluster.causes:
            names = ", ".join(f"{effect.kind} {effect.id}" for effect in effects)
            yield f"untrue: {reopen.event_id} is {reopen.status.value}, and came about as {names}"


def _ended_without_right(
    cluster: Cluster, records: dict[str, Reopen], allowed: frozenset[str]
) -> Iterator[str]:
    """Every event ends in its effect, unless its scenario or what struck it gives a right to another end."""
    if JUMPED_AHEAD in cluster.causes.values():
        # What Acquire made seems to be older than its call: a person says whether it was there before.
        allowed |= {"held:effect_unreadable"}
    for reopen in records.values():
        status = reopen.status
        if status in WITH_EFFECT or status in WAITING:
            continue
        excuses = cluster.excuses.get(reopen.id, set())
        if status is Status.DEAD and reopen.id not in cluster.world.tried:
            yield f"given up: {reopen.event_id} is dead ({reopen.reason}) without a call of its own"
        if status.value in allowed or status.value in excuses or f"{status.value}:{reopen.reason}" in allowed:
            continue
        yield f"given up: {reopen.event_id} is {status.value} ({reopen.reason}: {reopen.detail})"


def _disorder(records: dict[str, Reopen], done: dict[str, list[Done]], cluster: Cluster) -> Iterator[str]:
    """Within a thread, effects come in the order of first admission; who left the line has no place in it."""
    threads: dict[int | None, list[Reopen]] = defaultdict(list)
    left_the_line = {*cluster.causes, *cluster.out_of_line, *_alike(records, done)}
    for reopen in records.values():
        if reopen.id not in left_the_line and reopen.id in done:
            threads[reopen.thread_id].append(reopen)
    for line in threads.values():
        line.sort(key=lambda reopen: reopen.position)
        for before, after in pairwise(line):
            # Where Redis forgot, the same words may be adopted crosswise.
            alike = cluster.snapshots and before.text == after.text
            if done[before.id][0].made_ms > done[after.id][0].made_ms and not alike:
                yield f"order: {after.event_id} came before {before.event_id}"


def _out_of_receipt(cluster: Cluster, records: dict[str, Reopen]) -> Iterator[str]:
    """What was acknowledged before another event came has its place before that one, also where Redis forgot
    it meanwhile (rule 13).
    """
    for before, after in permutations(cluster.events, 2):
        first, second = records.get(before.id), records.get(after.id)
        if first is None or second is None or first is second or first.thread_id != second.thread_id:
            continue
        if 0 <= before.first_answered_ms < after.first_asked_ms and first.position > second.position:
            yield f"order: {second.event_id} was taken in before {first.event_id}"


def _cases_made(cluster: Cluster) -> Iterator[str]:
    """Where nobody closes it, one case takes all replies of a thread."""
    made = [done for done in cluster.world.done if done.kind == "case"]
    too_soon = any(cause_of(cluster, effects) for effects in doubled(cluster).values())
    if len(made) > 1 and not too_soon and JUMPED_AHEAD not in cluster.causes.values():
        yield f"cases: {', '.join(str(done.id) for done in made)} were made where one was enough"


def _books(cluster: Cluster, records: dict[str, Reopen], threads: list[Thread]) -> Iterator[str]:
    """The conservation law, and that every index says what the records say."""
    server = cluster.server
    by_status, totals = server.under("reopener:is:"), server.at("reopener:totals") or {}
    accepted = int(totals.get("accepted", 0)) - int(totals.get("removed", 0))
    listed = {member: key.rpartition(":")[2] for key, members in by_status.items() for member in members}
    listed |= {
        _id_at(place): key.rsplit(":", 2)[1]
        for key, members in server.under("reopener:leaf:done:").items()
        for place in members
    }
    sizes = server.at("reopener:sizes") or {}
    if broken := [key for key, fields in server.under("reopener:r:").items() if "id" not in fields]:
        yield f"books: parts of records are left: {', '.join(broken)}"
    count = sum(map(len, by_status.values()))
    count += sum(int(size) for name, size in sizes.items() if name.startswith("done:") and "#" not in name)
    if accepted != count or count != len(records):
        yield f"books: {accepted} accepted, {count} listed by status, {len(records)} records"
    for reopen in records.values():
        if listed.get(reopen.id) != reopen.status.value:
            yield f"books: {reopen.event_id} is {reopen.status.value}, listed as {listed.get(reopen.id)}"
    if leases := server.at("reopener:leases"):
        yield f"books: leases are left: {leases}"
    for thread in threads:
        for intent in thread.unsettled:
            reopen = records.get(intent.reopen_id)
            yield f"books: an intent of {reopen and reopen.event_id} is not settled"
        duplicates = {duplicate.effect for duplicate in thread.duplicates}
        for effect, claim in thread.claims.items():
            reopen = records.get(claim.reopen_id)
            if (
                effect not in duplicates
                and reopen is not None
                and reopen.status in WITH_EFFECT
                and claim.case_id != reopen.new_case_id
            ):
                yield f"books: {effect} is {reopen.event_id}'s, which names case {reopen.new_case_id}"


def unix_ms(true_ms: int) -> int:
    return START_MS + true_ms


def _id_at(place: str) -> str:
    """The id in a place of the archive, where ours are packed (archive.lua): fifteen bytes in base 32."""
    packed = place[5:].encode("latin-1")
    return b32encode(packed).decode().lower() if len(packed) == 15 else packed.rstrip(b"\0").decode()
