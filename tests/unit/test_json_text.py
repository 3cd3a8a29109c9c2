"""JSON set up once is the JSON of the standard library."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.json_text import compact, encoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_it_is_what_the_library_writes(value: object):
    """Every value is written as `json.dumps` writes it, in both of the forms that are used."""
    assert encoder(ascii_only=True, separators=(", ", ": "))(value) == json.dumps(value)
    assert compact(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_what_json_does_not_know_is_refused():
    """A value that JSON has no form for raises, and is not written as something else."""
    with pytest.raises(TypeError):
        compact({"a": object()})
