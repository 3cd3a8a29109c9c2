"""What is known of one thread: its cases, which reopen claimed which effect, and what is not settled yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from service.domain.cases import Look, View

Kind = Literal["create", "append"]

EffectKind = Literal["case", "message", "elsewhere"]
EFFECT_KINDS: Mapping[str, EffectKind] = {"case": "case", "message": "message", "elsewhere": "elsewhere"}


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that exists in Acquire: a case, or a message. At most one reopen claims it. `elsewhere` is a
    case of another thread, or of none, on which Acquire acted: its reopen is never sent again (rule 9).
    """

    kind: EffectKind
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Effect:
        kind, _, number = text.partition(":")
        return cls(EFFECT_KINDS[kind], int(number))


@dataclass(frozen=True, slots=True)
class Claim:
    """The reopen an effect belongs to, the attempt that made it, and the case the reply is in; of an effect
    elsewhere, the thread it is in, 0 where Acquire told of none.
    """

    reopen_id: str
    attempt: int
    case_id: int


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent, durable before its first byte leaves (rule 7).

    `seen` is the baseline: the ids of cases (create) or of the case's messages (append) that existed
    before. `view` None: no baseline could be taken, so a lost answer can only be decided by a token or an
    observation. `ends_by_ms` is the latest time the call can have ended.

    `state` is `open` until looks decide. `absent`: they have shown, for as long as rule 10 demands, that
    nothing came of it. `held`: a person has to say how its reopen goes on. Neither keeps the thread waiting;
    both are kept, so that what comes later than every look is found. `again`: the person said so, and it is
    looked for as before; nobody is asked a second time whether it may be.
    """

    reopen_id: str
    attempt: int
    kind: Kind
    seen: frozenset[int]
    view: View | Literal["messages", "last_message"] | None
    token: str
    words: str | None
    at_ms: int
    ends_by_ms: int
    case_id: int | None = None
    empty_looks: int = 0
    state: Literal["open", "held", "again", "absent"] = "open"

    @property
    def watched(self) -> bool:
        return self.state in {"held", "absent"}

    @property
    def key(self) -> tuple[str, int, int]:
        return (self.reopen_id, self.attempt, self.at_ms)


@dataclass(frozen=True, slots=True)
class KnownCase:
    """A case of the thread as last seen."""

    id: int
    status: str
    created_ms: int | None
    seen_ms: int
    reopen_id: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An effect of ours that no reopen claims (rule 16): shown to people with its cause."""

    effect: Effect
    reopen_id: str
    cause: str
    found_ms: int


KEPT_CLAIMS = 400
KEPT_WATCHED_INTENTS = 20
KEPT_CONTACTS = 10


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation as the ledger knows it. `id` is canonical: the id of its first case (rule 2).
    `contacts` are those that Acquire took it to be of, one after another as they were merged.
    """

    id: int
    contacts: tuple[int, ...] = ()
    cases: Mapping[int, KnownCase] = field(default_factory=dict)
    claims: Mapping[Effect, Claim] = field(default_factory=dict)
    intents: tuple[Intent, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    last_made: int | None = None
    session_id: str | None = None

    @property
    def contact_id(self) -> int | None:
        return self.contacts[-1] if self.contacts else None

    def contact_for(self, given: int | None) -> int | None:
        """The contact to name to Acquire for an event of contact `given`: the one that it was merged into,
        where the thread was once its own. About others nothing is guessed.
        """
        return self.contact_id if given is None or given in self.contacts else given

    @property
    def unsettled(self) -> tuple[Intent, ...]:
        return tuple(intent for intent in self.intents if not intent.watched)

    def owner(self, effect: Effect) -> str | None:
        claim = self.claims.get(effect)
        return claim.reopen_id if claim else None

    def effect_of(self, reopen_id: str) -> tuple[Effect, Claim] | None:
        """What is known to have come of a reopen."""
        for effect, claim in self.claims.items():
            if claim.reopen_id == reopen_id:
                return effect, claim
        return None

    def intents_of(self, reopen_id: str) -> tuple[Intent, ...]:
        return tuple(intent for intent in self.intents if intent.reopen_id == reopen_id)


def with_claim(thread: Thread, effect: Effect, claim: Claim, now_ms: int) -> Thread:
    """The thread in which `effect` belongs to the claim's reopen; whoever was first keeps it (rule 3)."""
    if effect in thread.claims:
        return thread
    claims = {**thread.claims, effect: claim}
    if len(claims) > KEPT_CLAIMS:
        messages = sorted((e for e in claims if e.kind == "message"), key=lambda e: e.id)
        for old in messages[: len(claims) - KEPT_CLAIMS]:
            del claims[old]
    cases, last_made = thread.cases, thread.last_made
    if effect.kind == "case":
        last_made = effect.id
        known = cases.get(effect.id)
        noted = known or KnownCase(effect.id, "active", now_ms, now_ms)  # the next look knows better
        cases = {**cases, effect.id: replace(noted, reopen_id=claim.reopen_id)}
    return replace(thread, claims=claims, cases=cases, last_made=last_made)


def with_duplicate(thread: Thread, effect: Effect, claim: Claim, cause: str, now_ms: int) -> Thread:
    """The thread with a further effect of a reopen that has one: claimed, to be found once (rule 16)."""
    found = Duplicate(effect, claim.reopen_id, cause, now_ms)
    claimed = with_claim(thread, effect, claim, now_ms)
    return replace(claimed, last_made=thread.last_made, duplicates=(*thread.duplicates, found))


def with_observation(thread: Thread, effect: Effect, claim: Claim, now_ms: int) -> Thread:
    """The thread with what somebody saw come of a reopen (rule 3): its effect, or a second one (rule 16)."""
    first = thread.effect_of(claim.reopen_id)
    if first is None or effect in thread.claims:
        return with_claim(thread, effect, claim, now_ms)
    return with_duplicate(thread, effect, claim, "acted_late", now_ms)


def with_maybe_duplicate(
    thread: Thread,
    effect: Effect,
    reopen_id: str,
    now_ms: int,
    cause: Literal["maybe_acted_late", "maybe_forgotten"],
) -> Thread:
    """The thread with what may be a second effect of this reopen, and is claimed by nobody: new, without its
    words, long after a call seemed to have come to nothing; or with its words, and of another date than a
    call that Redis may have forgotten. Shown once for each reopen.
    """
    if any((known.reopen_id, known.cause) == (reopen_id, cause) for known in thread.duplicates):
        return thread
    found = Duplicate(effect, reopen_id, cause, now_ms)
    return replace(thread, duplicates=(*thread.duplicates, found))


def with_look(thread: Thread, look: Look) -> Thread:
    """The thread with its cases, and whose they are, as the look shows them."""
    cases = dict(thread.cases)
    for case in look.cases.values():
        before = cases.get(case.id)
        cases[case.id] = KnownCase(
            id=case.id,
            status="closed" if case.closed else case.status,
            created_ms=case.created_ms,
            seen_ms=look.taken_ms,
            reopen_id=before.reopen_id if before else None,
        )
    root = look.cases.get(look.root_id)
    thread = with_contact(thread, root.contact_id if root else None)
    return replace(thread, cases=cases, session_id=_session_id(look) or thread.session_id)


def with_contact(thread: Thread, contact_id: int | None) -> Thread:
    """The thread that Acquire takes for this contact's by now."""
    if contact_id is None or thread.contact_id == contact_id:
        return thread
    before = [known for known in thread.contacts if known != contact_id]
    return replace(thread, contacts=(*before[1 - KEPT_CONTACTS :], contact_id))


def with_news(thread: Thread, case_id: int, status: str, told_ms: int) -> Thread:
    """The thread with what Acquire told of a known case by itself, where no look is newer. Looks decide."""
    known = thread.cases.get(case_id)
    if known is None or known.seen_ms >= told_ms:
        return thread
    fresh = replace(known, status=status, seen_ms=told_ms)
    return replace(thread, cases={**thread.cases, case_id: fresh})


def with_intent(thread: Thread, intent: Intent) -> Thread:
    """The thread with the intent added, or put in the place of what was known of it before."""
    others = tuple(kept for kept in thread.intents if kept.key != intent.key)
    watched = [kept for kept in others if kept.watched]
    dropped = set(watched[: max(0, len(watched) - KEPT_WATCHED_INTENTS)])
    kept_ones = [kept for kept in others if kept not in dropped]
    return replace(thread, intents=tuple(sorted((*kept_ones, intent), key=lambda kept: kept.at_ms)))


def with_intents_held(thread: Thread, reopen_id: str) -> Thread:
    """The thread that no longer waits for what came of a reopen: a person has to say how that goes on."""
    for intent in thread.unsettled:
        if intent.reopen_id == reopen_id:
            thread = with_intent(thread, replace(intent, state="held"))
    return thread


def with_intents_taken_up(thread: Thread, reopen_id: str) -> Thread:
    """The thread in which a reopen goes on that was held: what came of its calls has to settle after all."""
    for intent in thread.intents_of(reopen_id):
        if intent.state == "held":
            thread = with_intent(thread, replace(intent, state="again"))
    return thread


def with_clock_set_back(thread: Thread, now_ms: int) -> Thread:
    """The thread where Redis' clock went back since something was seen or sent: no case was seen and no call
    sent later than now, and all of it settles from now on at the latest. An end that was noted after the
    clock went back stands.
    """
    ahead = [replace(case, seen_ms=now_ms) for case in thread.cases.values() if case.seen_ms > now_ms]
    if ahead:
        thread = replace(thread, cases={**thread.cases, **{case.id: case for case in ahead}})
    ahead_ms = max((intent.at_ms for intent in thread.intents), default=now_ms) - now_ms
    if ahead_ms <= 0:
        return thread
    moved = [
        replace(
            intent,
            at_ms=intent.at_ms - ahead_ms,
            ends_by_ms=min(intent.ends_by_ms, max(now_ms, intent.ends_by_ms - ahead_ms)),
        )
        for intent in thread.intents
    ]
    return replace(thread, intents=tuple(moved))


def without_intent(thread: Thread, intent: Intent) -> Thread:
    """The thread without an intent that is settled: its effect is claimed, or nothing left our hands."""
    return replace(thread, intents=tuple(kept for kept in thread.intents if kept.key != intent.key))


def _session_id(look: Look) -> str | None:
    """The session of the newest case that shows one."""
    sessions = [case.session_id for case in look.by_age if case.session_id]
    return sessions[-1] if sessions else None
