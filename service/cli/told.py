"""How the command line talks: results on stdout, faults on stderr, and what a failure ends with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


class Ended(Exception):
    """The command is over, with words for the person who called it."""

    def __init__(self, *words: str, status: int = 1) -> None:
        super().__init__(*words)
        self.words = words
        self.status = status


def as_exit(ended: Ended) -> int:
    """Tell what happened, and answer the exit status."""
    for line in ended.words:
        click.echo(f"reopener: {line}", err=True)
    return ended.status


def as_json(told: Any) -> None:
    """One line of JSON: in UTF-8, as it is read, whatever the terminal is told to speak."""
    click.echo(json.dumps(told, ensure_ascii=False).encode())


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose columns are as wide as what is in them."""
    cells = [[shown(value) for value in row] for row in (heads, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    for row in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def facts(rows: Sequence[tuple[str, object]]) -> None:
    """Names and values, one a line; what is not known is left out."""
    known = [(name, value) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name.ljust(width)}  {shown(value)}")


def shown(value: object) -> str:
    """Text as it may stand on a terminal: control characters in it would move the cursor."""
    text = "-" if value is None else str(value)
    return "".join(each if each.isprintable() else " " for each in text)
