"""JSON that is written for each delivery: the standard library's writer, set up once.

`json.JSONEncoder` sets up its C half anew for each value, which costs as much as writing a short one.
"""

from __future__ import annotations

import json.encoder
from collections.abc import Callable
from typing import Any, Never

_library: Any = json.encoder  # what is used here is not in its types


def encoder(*, ascii_only: bool, separators: tuple[str, str]) -> Callable[[object], str]:
    """What writes a value as `json.dumps` does with these separators (of items, of key and value). Values are
    not looked through for circles.
    """
    item, key = separators
    if _library.c_make_encoder is None:
        return json.JSONEncoder(ensure_ascii=ascii_only, separators=separators, check_circular=False).encode
    strings = _library.encode_basestring_ascii if ascii_only else _library.encode_basestring
    chunks = _library.c_make_encoder(None, _refuse, strings, None, key, item, False, False, True)
    return lambda value: "".join(chunks(value, 0))


def _refuse(value: object) -> Never:
    raise TypeError(f"{type(value).__name__} is not of JSON")


compact = encoder(ascii_only=False, separators=(",", ":"))
"""Writes a value in as few characters as may be."""
