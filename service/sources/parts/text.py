"""The customer's own words: HTML to plain text, and what is certainly not theirs left out.

Left out only where somebody marked it: quoted messages in the elements that mail programs put them into,
lines that begin with ">" at the end of a text together with the line that introduces them, and what stands
below the signature line "-- ". Everything else stays, since an answer between the lines, or below an unmarked
"Original message", must not get lost. Where nothing would be left, the whole text stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.sources.parts.markup import Closing, Opening, Text, tokens


def html_to_text(markup: str) -> str:
    """Answer the text of an HTML fragment, without marked quotes and signatures, in a reader's lines."""
    own = _rendered(markup, keep_quotes=False)
    return without_quotes(own) if own else _rendered(markup, keep_quotes=True)


def _rendered(markup: str, *, keep_quotes: bool) -> str:
    text = "".join(_pieces(markup, keep_quotes=keep_quotes))
    lines = [_BLANKS.sub(" ", line).strip() for line in text.split("\n")]
    return _MANY_LINE_ENDS.sub("\n\n", "\n".join(lines)).strip()


def _pieces(markup: str, *, keep_quotes: bool) -> Iterator[str]:
    """Yield text, with line ends where a browser would begin a new line."""
    left_out, depth, preformatted = "", 0, 0
    for token in tokens(markup):
        if left_out:
            # Only elements of the same name are counted: those inside need not be closed in order.
            if isinstance(token, Opening | Closing) and token.name == left_out:
                depth += 1 if isinstance(token, Opening) else -1
                left_out = left_out if depth else ""
        elif isinstance(token, Text):
            yield token.words if preformatted else _ANY_SPACE.sub(" ", token.words)
        elif token.name == "br":
            yield "\n"
        elif isinstance(token, Opening) and (token.name in _UNSEEN or (not keep_quotes and _is_quote(token))):
            left_out, depth = token.name, 1
        elif token.name in _CELLS:
            yield " "
        elif token.name in _BLOCKS:
            yield "\n\n" if token.name in _PARAGRAPHS else "\n"
            if token.name == "pre":
                preformatted = max(preformatted + (1 if isinstance(token, Opening) else -1), 0)


def _is_quote(tag: Opening) -> bool:
    classes = tag.attribute("class").split()
    if tag.name == "blockquote":
        return tag.attribute("type") == "cite" or not _QUOTE_CLASSES.isdisjoint(classes)
    return tag.name not in _ENDLESS and not _SIDE_CLASSES.isdisjoint(classes)


def without_quotes(text: str) -> str:
    """Answer plain text without the quoted message that ends it and without a marked signature."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    own = _before_quote(_before_signature(lines))
    return "\n".join(own).strip() or "\n".join(lines).strip()


def _before_signature(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line == _SIGNATURE_LINE and any(each.strip() for each in lines[:index]):
            # A quote below a signature goes with it; the customer's words below the quote would not be seen,
            # so a text that goes on after quoted lines keeps its signature.
            return lines if _goes_on_after_quote(lines[index:]) else lines[:index]
    return lines


def _goes_on_after_quote(lines: list[str]) -> bool:
    quoted = [index for index, line in enumerate(lines) if line.startswith(">")]
    return bool(quoted) and any(line.strip() for line in lines[quoted[-1] + 1 :])


def _before_quote(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (lines[end - 1].startswith(">") or not lines[end - 1].strip()):
        end -= 1
    if not any(line.startswith(">") for line in lines[end:]):
        return lines
    # "On Tue, 3 Mar 2026 at 10:00, Support <support@example.com> wrote:", perhaps broken over two lines.
    for length in (1, 2):
        introduction = " ".join(lines[max(end - length, 0) : end]).strip()
        if introduction.endswith(":") and _WHO_WROTE.search(introduction):
            return lines[: max(end - length, 0)]
    return lines[:end]


_SIGNATURE_LINE = "-- "
_WHO_WROTE = re.compile(
    r"^(?:On|Am|Le|El|Il|Op|Em|Den|W dniu)\b.{0,300}(?:<[^<>]{1,200}>|\d).{0,80}:$", re.DOTALL
)
_ANY_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")
# Without "head": its end may be left out, and all that it can hold is here.
_UNSEEN = frozenset({"script", "style", "title", "template"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"})
_BLOCKS = _PARAGRAPHS | {
    *(
        "div",
        "li",
        "tr",
        "section",
        "article",
        "header",
        "footer",
        "dl",
        "dt",
        "dd",
        "hr",
        "center",
        "address",
    ),
    *("main", "aside", "nav", "figure", "figcaption", "caption", "form", "fieldset", "details", "summary"),
}
_CELLS = frozenset({"td", "th"})
# HTML knows no end of these, and nothing stands in them.
_ENDLESS = frozenset({"img", "hr", "input", "link", "meta", "source", "wbr", "area", "col", "embed"})
# Only of blockquotes: the elements around them may hold answers between the quoted lines.
_QUOTE_CLASSES = frozenset({"gmail_quote", "protonmail_quote", "freshdesk_quote", "front-blockquote"})
_SIDE_CLASSES = frozenset(
    {
        "gmail_attr",
        "gmail_signature",
        "moz-cite-prefix",
        "moz-signature",
        "protonmail_signature_block",
        "front-signature",
    }
)
