"""Threads as Redis holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import views
from service.domain.threads import EFFECT_KINDS, Claim, Duplicate, Effect, Intent, KnownCase, Thread
from service.ledger.reads import ThreadView
from service.ledger.thread_codec import claim_text, thread_fields, thread_from
from service.schemas import SCHEMAS
from tests.edge.told import faults

IDS = st.integers(1, 9)
REOPENS = st.sampled_from(["first", "second", "third"])
TIMES = st.integers(0, 2_000_000_000_000)
EFFECTS = st.builds(Effect, st.sampled_from(["case", "message"]), IDS)
CASES = st.builds(
    KnownCase, IDS, st.sampled_from(["active", "closed"]), st.none() | TIMES, TIMES, st.none() | REOPENS
)
INTENT = Intent("first", 1, "create", frozenset({1}), "thread", "rx-first", "Hello", 1, 2, state="absent")


@given(
    st.lists(CASES),
    st.dictionaries(EFFECTS, st.builds(Claim, REOPENS, IDS, IDS)),
    st.none() | IDS,
    st.booleans(),
    st.booleans(),
)
def test_a_thread_is_read_as_it_was_written(cases, claims, last_made, has_duplicate, has_intent):
    """Whatever a thread holds, settled and packed or not, it is the same when it is read."""
    thread = Thread(
        id=1,
        contacts=(7,),
        cases={case.id: case for case in cases},
        claims=claims,
        last_made=last_made,
        session_id="s1",
        duplicates=(Duplicate(Effect("case", 3), "first", "acted_late", 5),) if has_duplicate else (),
        intents=(INTENT,) if has_intent else (),
    )
    flat = thread_fields(thread)
    read, noted = thread_from(1, dict(zip(flat[::2], flat[1::2], strict=True)), 0)
    assert (read, noted) == (thread, ())
    first_of = {reopen_id: thread.effect_of(reopen_id) for reopen_id in ("first", "second", "third")}
    assert {reopen_id: read.effect_of(reopen_id) for reopen_id in first_of} == first_of


@pytest.mark.parametrize("kind", EFFECT_KINDS)
def test_a_second_effect_of_any_kind_is_told_as_the_api_says(kind):
    """What was noted beside a thread for a reopen that has its effect is a duplicate, as the schema says."""
    noted = {"o:case:7": Claim("first", 1, 7), f"o:{kind}:8": Claim("first", 2, 0)}
    thread, _ = thread_from(1, {name: claim_text(claim) for name, claim in noted.items()}, 5)
    told = views.thread(ThreadView(thread, ()))
    assert [(each["kind"], each["id"]) for each in told["duplicates"]] == [(kind, 8)]
    assert faults(told, SCHEMAS["Thread"], SCHEMAS) == []
