"""Whatever comes, a kind answers with its one rejection, with Malformed, or with events."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.domain.decide import Accept, Hold, Ignore, decide
from service.domain.events import Event
from service.sources import Malformed, Rejected, Request
from tests.unit.sources.configured import CONFIGURED, SECRET
from tests.unit.sources.deliveries import NOW, URL, request_of

each = pytest.mark.parametrize("one", CONFIGURED, ids=[one.name for one in CONFIGURED])
few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])

# A web server shows header bytes as Latin-1.
LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def judged(one, request):
    """Read and decide as the receiver does, with every decision one of the three."""
    for event in one.kind.read(request, one.source):
        assert isinstance(event, Event)
        assert isinstance(decide(event, one.kind.rules(one.source)), Accept | Hold | Ignore)


@each
@few
@given(data=st.data())
def test_verifying_any_headers_rejects_or_passes(one, data):
    """Arbitrary bytes under the very headers that a kind looks at: Rejected, and no other exception."""
    signed = one.sample()
    headers = {
        name: data.draw(LATIN | st.just(value) | st.builds(value.__add__, LATIN), label=name)
        for name, value in signed.headers.items()
        if data.draw(st.booleans(), label=f"with {name}")
    }
    query = {name: data.draw(LATIN, label=name) for name in signed.query}
    request = Request("POST", URL, headers, data.draw(st.binary(max_size=200)), query)
    try:
        one.kind.verify(request, one.source, NOW)
        hint = ""
    except Rejected as rejected:
        hint = rejected.hint
    assert SECRET not in hint


@each
@few
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@example(body=b"[" * 200_000)
@example(body=b'{"a":' * 200_000)
@example(body=b"\xff")
@example(body=b"\xef\xbb\xbf{}")
@example(body=b'{"a":1,"a":2}')
@example(body=b'{"a":NaN}')
@example(body=b'{"a":"\\ud800"}')
@example(body=b'{"a":' + b"9" * 5000 + b"}")
@example(body=b"[]")
@example(body=b"")
def test_reading_any_body_gives_events_or_malformed(one, body):
    """Arbitrary bytes and arbitrary JSON: events that can be decided, or Malformed."""
    with suppress(Malformed):
        judged(one, request_of(body))


@each
@few
@given(data=st.data())
def test_reading_a_payload_with_any_value_in_any_place(one, data):
    """A payload of the kind's own shape with one value replaced by anything is read and decided."""
    request = one.sample()
    document = json.loads(request.body)
    holder, step = data.draw(st.sampled_from(list(places(document))))
    holder[step] = data.draw(JSON)
    # An event of a batch may have become something other than an object.
    with suppress(Malformed):
        judged(one, replace(request, body=json.dumps(document).encode()))


def places(document):
    """Every object or array in a document with each of its keys or indices."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for step, value in list(items):
        yield document, step
        if isinstance(value, dict | list):
            yield from places(value)


@each
@few
@given(
    message=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60), seed=st.integers(0)
)
def test_what_a_kind_signs_it_accepts(one, message, seed):
    """Any message and event id, signed as the helpdesk would, passes verification and reading."""
    request = one.sample(message=message, event_id=f"evt_{seed}")
    one.kind.verify(request, one.source, NOW)
    judged(one, request)


COVERED = [one for one in CONFIGURED if one.proves_body]


@pytest.mark.parametrize("one", COVERED, ids=[one.name for one in COVERED])
@few
@given(data=st.data())
def test_no_changed_byte_of_the_body_passes(one, data):
    """Where the scheme covers the body, one byte changed anywhere is refused."""
    request = one.sample()
    place = data.draw(st.integers(0, len(request.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != request.body[place]))
    body = request.body[:place] + bytes([byte]) + request.body[place + 1 :]
    with pytest.raises(Rejected):
        one.kind.verify(replace(request, body=body), one.source, NOW)
