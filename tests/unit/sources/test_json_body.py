"""JSON from outside: one reading per text."""

from __future__ import annotations

import pytest

from service.sources import Malformed
from service.sources.parts.json_body import parse_json, stringified


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"{} {}", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"\xff", "not_utf8"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'[{"b": {"a": 1, "a": 2}}]', "duplicate_key"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": -Infinity}', "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"9" * 5000, "not_json"),
    ],
)
def test_what_two_programs_may_read_differently_is_refused(body, slug):
    """Broken, ambiguous and unstorable texts are Malformed, each with its slug."""
    with pytest.raises(Malformed) as malformed:
        parse_json(body)
    assert malformed.value.slug == slug


def test_ordinary_json_is_read():
    """Objects, arrays, numbers of 64 bits and escaped pairs of surrogates arrive as they are."""
    body = '{"a": [1, 18446744073709551615, 1.5, null, true, "\\ud83d\\ude00", "\u00e4"]}'
    assert parse_json(body.encode()) == {"a": [1, 2**64 - 1, 1.5, None, True, "\U0001f600", "\u00e4"]}


def test_half_of_a_pair_does_not_cost_the_whole_delivery():
    """Where a sender cut a text within an emoji, what is left of it is shown as a character nobody knows."""
    body = rb'{"cut": "it broke \ud83d", "\udc00x": ["\ude00\ud83d", "\ud83d\ude00", "\\ud83d", 1]}'
    assert parse_json(body) == {
        "cut": "it broke \ufffd",
        "\ufffdx": ["\ufffd\ufffd", "\U0001f600", "\\ud83d", 1],
    }


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a":1}', b'{"a": NaN}', b"[" * 60_000, b" " * 70_000]
)
def test_no_second_form_where_there_is_none(body):
    """What is no JSON, in JavaScript's form already, or too large to try, has no other form."""
    assert stringified(body) is None
