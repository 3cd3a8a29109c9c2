"""Is this the customer's reply? Acquire may escape, trim and cut what it was given."""

from __future__ import annotations

import html
import re

SHORTEST_CUT_CHARACTERS = 24
"""A text that was cut counts as the whole one's beginning or end only from this length on: shorter ones
("thanks", "hello") begin too many other messages."""

_TAG = re.compile(r"<[^<>]{0,2000}>")
_ENDLESS_REFERENCE = re.compile(r"&#[0-9]{100,};?")
_SPACE = re.compile(r"\s+")
_CUT_MARKS = "….\u200b "


def unescaped(text: str) -> str:
    """The text with the characters that HTML's references stand for."""
    try:
        return html.unescape(text)
    except ValueError:
        # Python reads no number of thousands of digits; what is beyond Unicode anyway is shown like this.
        return html.unescape(_ENDLESS_REFERENCE.sub("\ufffd", text))


def normalise(text: str) -> str:
    """The words alone: unescaped (also twice), without tags, with single spaces."""
    once = unescaped(unescaped(text))
    return _SPACE.sub(" ", _TAG.sub(" ", once)).strip()


def resembles(shown: str, words: str) -> bool:
    """Whether `shown` may be the customer's `words` after all, cut or with something put before or behind, in
    a way too short to be sure.
    """
    there, ours = normalise(shown).strip(_CUT_MARKS), normalise(words)
    if not there or not ours:
        return True
    cut = ours.startswith(there) or ours.endswith(there)
    return cut or there.startswith(f"{ours} ") or there.endswith(f" {ours}")


def carries(shown: str, words: str) -> bool:
    """Whether `shown`, a text in Acquire, carries the customer's `words`."""
    there, ours = normalise(shown), normalise(words)
    if not ours or not there:
        return False
    if there == ours:
        return True
    core = there.strip(_CUT_MARKS)
    if len(core) >= SHORTEST_CUT_CHARACTERS and (ours.startswith(core) or ours.endswith(core)):
        return True
    return len(ours) >= SHORTEST_CUT_CHARACTERS and ours in there
