"""JSON that is written for each delivery and each look, in as few characters as may be.

orjson writes it. What that refuses (whole numbers beyond 64 bits, halves of surrogate pairs, keys that are no
text) the standard library writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import orjson

_SEPARATORS = (",", ":")
_AS_THE_LIBRARY = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""Times and dataclasses are no JSON."""


def compact(
    value: object, *, halves: str = "strict", default: Callable[[object], object] | None = None
) -> bytes:
    """In UTF-8. `halves` says what becomes of half a surrogate pair, as an error handler of `str.encode`;
    `default` gives what stands for a value that JSON does not know, and may be asked for the same twice.

    Raises:
        TypeError: JSON does not know such a value.
        UnicodeEncodeError: there is such a half in it, and `halves` is "strict".
    """
    try:
        return orjson.dumps(value, default, _AS_THE_LIBRARY)
    except TypeError:
        written = json.dumps(value, ensure_ascii=False, separators=_SEPARATORS, default=default)
        return written.encode("utf-8", halves)


def compact_ascii(value: object, *, default: Callable[[object], object] | None = None) -> str:
    """In ASCII alone. `default` gives what stands for a value that JSON does not know. Raises `TypeError`."""
    try:
        written = orjson.dumps(value, default, _AS_THE_LIBRARY)
        if written.isascii():
            return written.decode()
    except TypeError:
        pass
    return json.dumps(value, separators=_SEPARATORS, default=default)
