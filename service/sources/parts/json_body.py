"""JSON from outside: strictly one reading per text, and one exception for all that is not JSON."""

from __future__ import annotations

import json
import re
from typing import Never

from service.sources.base import Malformed


def parse_json(body: bytes) -> object:
    """Answer the body's value.

    Refused besides broken JSON: a key that comes twice in one object (programs differ on which counts), NaN
    and Infinity, and nesting beyond what Python reads. Half of a surrogate pair, which cannot be stored or
    sent on, becomes U+FFFD: senders that cut texts cut emojis too, and would send the same again.

    Raises:
        Malformed: always this, whatever the bytes are.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("not_utf8", f"the body is not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
        if _ESCAPED_SURROGATE.search(text):
            value = _without_halves(value)
    except _DuplicateKey:
        raise Malformed("duplicate_key", "the body has an object that names the same key twice") from None
    except RecursionError:
        raise Malformed("too_deep", "the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Malformed("not_json", f"the body is not JSON at character {error.pos}: {error.msg}") from None
    except ValueError:
        # NaN, Infinity, and whole numbers of more digits than Python reads.
        raise Malformed("not_json", "the body has a number that JSON does not know") from None
    return value


def _without_halves(value: object) -> object:
    written = json.dumps(value, ensure_ascii=False)
    whole = written.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value if whole == written else _DECODER.decode(whole)


class _DuplicateKey(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _DuplicateKey
    return value


def _refuse(_constant: str) -> Never:
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def stringified(body: bytes) -> bytes | None:
    """Answer the body as JavaScript writes it (`JSON.stringify`), None where that is the same or unknown.

    Only for bodies of moderate size, since it is asked before anybody knows whose they are. JavaScript's own
    order of keys that are whole numbers is not followed.
    """
    if len(body) > _LARGEST_TO_REWRITE_BYTES:
        return None
    try:
        text = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        rewritten = text.encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return rewritten if rewritten != body else None


_LARGEST_TO_REWRITE_BYTES = 65_536
