"""What is kept of a delivery: enough to read it again, nothing that proves who sent it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.decide import decide
from service.kept import LARGEST_KEPT_BODY_BYTES, keep_in, packed, unpacked, without_proof
from service.sources import Rejected, Request
from tests.unit.sources.configured import CONFIGURED
from tests.unit.sources.deliveries import NOW

each = pytest.mark.parametrize("one", CONFIGURED, ids=[one.name for one in CONFIGURED])


@each
def test_neither_secret_nor_signature_is_kept(one):
    """No value that the scheme checks is in what is kept, so it cannot be sent again."""
    request = one.sample()
    kept = without_proof(request, one.source)
    with pytest.raises(Rejected):
        one.kind.verify(kept, one.source, NOW)
    stored = json.dumps([kept.url, dict(kept.headers), dict(kept.query)])
    for secret in one.source.secrets:
        assert secret.reveal() not in stored


@each
def test_what_is_kept_reads_as_the_delivery_did(one):
    """Events and decisions are those of the delivery itself, ids that stand in for missing ones too."""
    request = one.sample()
    again = unpacked(packed(without_proof(request, one.source)))
    assert again.body == request.body
    events = one.kind.read(request, one.source)
    assert one.kind.read(again, one.source) == events
    rules = one.kind.rules(one.source)
    assert [decide(event, rules) for event in events]


@given(body=st.binary(max_size=300), headers=st.dictionaries(st.text(max_size=9), st.text(max_size=20)))
def test_any_bytes_are_kept_as_they_are(body, headers):
    """Packing and unpacking changes nothing."""
    request = Request("POST", "https://x.test/", headers, body, {"a": "b"})
    assert unpacked(packed(request)) == request


def test_large_bodies_are_not_kept():
    """What is kept is bounded in size."""
    waiting = []
    one = CONFIGURED[0]
    keep = keep_in(SimpleNamespace(add=waiting.append))
    for size in (LARGEST_KEPT_BODY_BYTES, LARGEST_KEPT_BODY_BYTES + 1):
        keep(Request("POST", "https://x.test/", {}, b"a" * size, {}), one.source, f"of {size}", 7)
    assert [each.delivery_id for each in waiting] == [f"of {LARGEST_KEPT_BODY_BYTES}"]
