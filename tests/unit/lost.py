"""A call whose answer was lost, for tests of what looks conclude of it."""

from __future__ import annotations

from service.domain.cases import Case
from service.domain.threads import Intent

ROOT = Case(id=10, thread_id=10, status="closed", closed=True, text="the first words")
WORDS = "It broke again, and nobody answers"
CREATE = Intent(
    reopen_id="r",
    attempt=1,
    kind="create",
    seen=frozenset({10}),
    view="thread",
    token="rx-none",
    words=WORDS,
    at_ms=0,
    ends_by_ms=10_000,
    empty_looks=1,
)
