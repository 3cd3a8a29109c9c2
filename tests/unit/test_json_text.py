"""What is written as JSON reads back as what it was, whoever has to write it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.json_text import compact, compact_ascii

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_reads_back_as_what_it_was(value: object):
    """Every value, in both of the forms that are used; the second is ASCII alone."""
    assert json.loads(compact(value)) == value
    assert json.loads(compact_ascii(value)) == value
    assert compact_ascii(value).isascii()


def test_what_the_quick_writer_refuses_is_written_all_the_same():
    """Numbers of any size, keys that are numbers, and halves of surrogate pairs as the caller wants them."""
    assert compact({"n": 2**70}) == b'{"n":1180591620717411303424}'
    assert compact({1: "\u00e9"}) == b'{"1":"\xc3\xa9"}'
    assert compact("a\ud800", halves="replace") == b'"a?"'
    assert compact("a\ud800", halves="surrogatepass") == b'"a\xed\xa0\x80"'
    assert compact_ascii({"a\ud800": [2**70]}) == '{"a\\ud800":[1180591620717411303424]}'
    with pytest.raises(UnicodeEncodeError):
        compact("a\ud800")


def test_what_json_does_not_know_is_refused_unless_something_stands_for_it():
    """A value that JSON has no form for raises, at any depth, where nobody says what is to be written."""
    for value in (object(), datetime(2026, 11, 28, tzinfo=UTC)):
        with pytest.raises(TypeError):
            compact({"a": value})
    with pytest.raises(TypeError):
        compact_ascii([object()])
    assert compact_ascii({"a": [object()], "\u00e9": 1}, default=lambda _: "it") == '{"a":["it"],"\\u00e9":1}'


def test_a_number_that_is_none_is_null():
    """Other programs do not read NaN."""
    assert compact([math.nan, math.inf]) == b"[null,null]"
