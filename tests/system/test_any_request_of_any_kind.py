"""Whatever is sent to a source of any kind, signed or not: an answer of the contract, no fault of ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.clock import SystemClock
from tests.unit.sources.configured import CONFIGURED
from tests.unit.sources.test_arbitrary_requests import JSON, places

each = pytest.mark.parametrize("one", CONFIGURED, ids=[one.name for one in CONFIGURED])
few = settings(max_examples=8, deadline=None)

# What an HTTP client may send as a header's value.
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@each
@few
@given(data=st.data())
def test_an_unsigned_request_is_refused(desk, one, data):
    """Any body, any values in the headers that prove something: refused, or a set-up request."""
    request = desk.signed(one)
    headers = {
        name: data.draw(VALUES, label=name) if name != "content-type" else value
        for name, value in request.headers.items()
    }
    body = data.draw(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
    url = request.url.partition("?")[0]
    answer = desk.sends(replace(request, url=url, headers=headers, body=body))
    probe = one.kind.probes_with_empty_body and body.strip() in {b"", b"[]"}
    assert answer.status_code == (200 if probe else 401), answer.text


@each
@few
@given(data=st.data())
def test_a_signed_request_is_judged(desk, one, data):
    """An authentic body of any JSON, or the kind's own with anything anywhere: judged, or 400 with words."""
    request = desk.signed(one)
    document = json.loads(request.body)
    if data.draw(st.booleans(), label="of its own shape"):
        holder, step = data.draw(st.sampled_from(list(places(document))))
        holder[step] = data.draw(JSON)
    else:
        document = data.draw(JSON)
    body = json.dumps(document).encode()
    bare = replace(request, url=request.url.partition("?")[0], query={}, body=body)
    signed = one.kind.scheme.sign(bare, one.source, SystemClock().now(), one.signing_key)
    answer = desk.sends(signed)
    assert answer.status_code in {200, 400}, answer.text
    told = answer.json()
    assert told.get("status") or "challenge" in told or told["error"]["message"]
