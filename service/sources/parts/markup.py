"""HTML cut into tags and text, in time linear in its length whatever it holds.

Customers write the HTML that helpdesks pass on. Python's own parser took 72 s for 100 kB of "<a " (3.11.7)
and raises AssertionError on "<![x[", so this one does without it. It is no validator: what is no tag is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from service.domain.text import unescaped


@dataclass(frozen=True, slots=True)
class Text:
    words: str


@dataclass(frozen=True, slots=True)
class Opening:
    """A start tag; `attributes` is what stands in it after the name, as written."""

    name: str
    attributes: str

    def attribute(self, name: str) -> str:
        """Answer an attribute's value in lower case, "" where there is none."""
        for found in _ATTRIBUTE.finditer(self.attributes):
            if found[1].lower() == name:
                return unescaped(found[2].strip("\"'")).lower()
        return ""


@dataclass(frozen=True, slots=True)
class Closing:
    name: str


Token: TypeAlias = Text | Opening | Closing


def tokens(markup: str) -> Iterator[Token]:
    """Yield tags and unescaped text in order; comments, declarations, scripts and styles are left out."""
    ends = _Ends(markup)
    start = 0
    while (tag := _TAG_START.search(markup, start)) is not None:
        if tag.start() > start:
            yield Text(unescaped(markup[start : tag.start()]))
        end = ends.of(tag)
        if end is None:
            yield Text("<")
            start = tag.start() + 1
            continue
        name = (tag["name"] or "").lower()
        if name and tag["slash"]:
            yield Closing(name)
        elif name:
            yield Opening(name, markup[tag.end() : end - 1])
            if name in _RAW:
                end = ends.of_raw_text(name, end)
        start = end
    if start < len(markup):
        yield Text(unescaped(markup[start:]))


class _Ends:
    """Finds where tags end. What was searched for to the very end in vain is not searched for again."""

    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._absent: set[str] = set()

    def of(self, tag: re.Match[str]) -> int | None:
        """Answer the index after the tag or comment, None where it never ends."""
        if tag["comment"]:
            return self._after("-->", tag.end())
        if not tag["name"]:
            return self._after(">", tag.end())
        return self._after_attributes(tag.end()) or self._after(">", tag.end())

    def of_raw_text(self, name: str, start: int) -> int:
        closing = re.compile(f"</{name}", re.IGNORECASE).search(self._markup, start)
        return closing.start() if closing else len(self._markup)

    def _after_attributes(self, start: int) -> int | None:
        """The index after the first ">" outside quotes."""
        while _QUOTED not in self._absent:
            stop = _STOP.search(self._markup, start)
            if stop is None:
                self._absent.add(_QUOTED)
            elif stop[0] == ">":
                return stop.end()
            else:
                # A quote that is never closed is a character like any other.
                start = self._after(stop[0], stop.end()) or stop.end()
        return None

    def _after(self, text: str, start: int) -> int | None:
        if text in self._absent:
            return None
        found = self._markup.find(text, start)
        if found < 0:
            self._absent.add(text)
            return None
        return found + len(text)


_TAG_START = re.compile(r"<(?:(?P<comment>!--)|[!?]|(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,40}))")
_STOP = re.compile(r"[>\"']")
# Stands in the set of absent texts for: no tag from here on ends outside quotes.
_QUOTED = "> outside quotes"
_ATTRIBUTE = re.compile(
    r"(?<![\w-])(class|type)\s{0,9}=\s{0,9}(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE
)
_RAW = frozenset({"script", "style"})
