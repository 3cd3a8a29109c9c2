"""One picture of the overview for a terminal: lines of styled text, as wide as it is. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.cli.told import shown
from service.ledger.series import BAD, GOOD, IN
from service.spoken import lasting, number
from service.views import time
from service.watch.numbers import law, source_rows, speed

if TYPE_CHECKING:
    from service.domain.reopens import Reopen
    from service.ledger.failures import Group
    from service.watch import Seen

STYLES = {"": "", "bold": "1", "dim": "2", "bad": "31", "good": "32", "wait": "33", "head": "7"}
BARS = " ▁▂▃▄▅▆▇█"
ASCII_BARS = " .:-=+*#@"
CHART_ROWS = ("in", IN), ("done", GOOD), ("failed", BAD)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a frame is drawn from; `sources` are those of the settings."""

    seen: Seen
    groups: Sequence[Group]
    latest: Sequence[Reopen]
    sources: Sequence[str]


@dataclass(frozen=True, slots=True)
class Screen:
    """`height` None: as long as it is. `colours` and `blocks`: what the terminal can show."""

    width: int
    height: int | None
    colours: bool
    blocks: bool


Span = tuple[str, str]
"""Text and the name of its style."""
Line = list[Span]


def frame(picture: Picture, screen: Screen) -> list[str]:
    """The lines, none wider than the screen, no more than it is high: what is worst comes first."""
    lines = [
        *_head(picture.seen, screen.width),
        *_problems(picture.seen),
        *_numbers(picture.seen, screen.width),
        *_chart(picture.seen, screen),
        *_law(picture.seen),
        *_groups(picture.groups),
        *_sources(picture),
        *_latest(picture.latest),
    ]
    return [_drawn(line, screen) for line in lines[: screen.height]]


def away(words: str, screen: Screen) -> list[str]:
    """Where nothing can be told."""
    return [_drawn([("reopener ", "head"), (f" {words}", "bad")], screen)]


def _head(seen: Seen, width: int) -> Iterator[Line]:
    left, right = " reopener", f"{(time(seen.now_ms) or '')[:19].replace('T', ' ')} UTC   q ends "
    yield [(left + " " * max(1, width - len(left) - len(right)) + right, "head")]


def _problems(seen: Seen) -> Iterator[Line]:
    found = seen.problems()
    if not found:
        yield [("All is well.", "good")]
    for problem in found:
        yield [(f"{problem.title}. ", problem.severity), (problem.mend, "")]
    yield []


def _numbers(seen: Seen, width: int) -> Iterator[Line]:
    stats, fast = seen.stats, speed(seen.minutes)
    account, by_status = stats.account, stats.by_status
    sending = "paused" if account.paused else (account.why or "goes on").replace("_", " ")
    cells: list[tuple[str, str, str]] = [
        ("in a minute", number(seen.per_minute(*IN)), ""),
        ("out a minute", number(seen.per_minute(*GOOD)), ""),
        ("success", "-" if fast.success is None else f"{fast.success:.1%}", ""),
        *((f"{name} wait", lasting(ms / 1000) if ms else "-", "") for name, ms in fast.waited),
        ("workers", number(seen.crew.workers), "" if seen.crew.workers else "bad"),
        ("in work", f"{stats.in_flight} of {seen.crew.concurrency}", ""),
        ("waiting", number(stats.waiting), ""),
        ("oldest", lasting(stats.oldest_waiting_seconds) if stats.waiting else "-", ""),
        ("checking", number(by_status["checking"]), "wait" if by_status["checking"] else ""),
        ("held", number(by_status["held"]), "bad" if by_status["held"] else ""),
        ("dead", number(by_status["dead"]), "bad" if by_status["dead"] else ""),
        ("queue", number(stats.queue_depth), ""),
        ("sending", sending, "wait" if account.why or account.paused else ""),
        ("breaker", account.breaker.replace("_", " "), "" if account.breaker == "closed" else "wait"),
    ]
    each = 24
    per_line = max(1, width // each)
    for start in range(0, len(cells), per_line):
        line: Line = []
        for name, value, style in cells[start : start + per_line]:
            line += [(f"{name:<13}", "dim"), (_cut(value, each - 15).ljust(each - 13), style or "bold")]
        yield line
    yield []


def _chart(seen: Seen, screen: Screen) -> Iterator[Line]:
    """The minutes of the last hour, a column each; all rows by the same measure."""
    slots = seen.minutes.slots[-max(10, screen.width - 16) :]
    rows = [(name, [slot.total(*what) for slot in slots]) for name, what in CHART_ROWS]
    highest = max((value for _, values in rows for value in values), default=0)
    bars = BARS if screen.blocks else ASCII_BARS
    for name, values in rows:
        drawn = "".join(bars[_height(value, highest, len(bars) - 1)] for value in values)
        yield [
            (f"{name:<8}", "dim"),
            (drawn, "bad" if name == "failed" else ""),
            (f" {number(sum(values))}", "bold"),
        ]
    yield []


def _height(value: int, highest: int, most: int) -> int:
    """What is there is seen."""
    return max(1, round(value / highest * most)) if value else 0


def _law(seen: Seen) -> Iterator[Line]:
    stats = seen.stats
    sign = "=" if stats.balanced else "is not"
    terms = " + ".join(f"{number(count)} {name}" for name, count in law(stats))
    yield [(f"{number(stats.accepted)} accepted {sign} {terms}", "" if stats.balanced else "bad")]
    yield []


def _groups(groups: Sequence[Group]) -> Iterator[Line]:
    if not groups:
        return
    yield [("Needs a person, by what went wrong", "bold")]
    for group in groups:
        record = group.latest
        words = (record.reason or "unknown").replace("_", " ")
        said = f": {shown(record.detail)}" if record.detail else ""
        yield [(f"{number(group.size):>7}  ", "bad"), (f"{record.status.value:<5} {words}{said}", "")]
    yield []


def _sources(picture: Picture) -> Iterator[Line]:
    seen = picture.seen
    rows = source_rows(picture.sources, seen.stats, seen.minutes, seen.heard_ms)
    if not rows:
        return
    heads = ("in", "done", "failed", "ignored", "refused", "waiting")
    wide = max(8, *(len(row.name) for row in rows))
    yield [(f"{'source':<{wide}}" + "".join(f"{head:>9}" for head in heads) + "  heard", "dim")]
    for row in rows:
        values = (row.came, row.good, row.bad, row.ignored, row.rejected, row.waiting)
        ago = lasting((seen.now_ms - row.heard_ms) / 1000) + " ago" if row.heard_ms else "never"
        yield [(f"{row.name:<{wide}}" + "".join(f"{number(value):>9}" for value in values) + f"  {ago}", "")]
    yield []


def _latest(latest: Sequence[Reopen]) -> Iterator[Line]:
    if latest:
        yield [("Latest", "bold")]
    style = {"reopened": "good", "appended": "good", "dead": "bad", "held": "bad"}
    for record in latest:
        status = record.status.value
        yield [
            (f"{(time(record.created_ms) or '')[11:19]}  ", "dim"),
            (f"{status:<10}", style.get(status, "wait")),
            (f"{record.source:<14} ticket {shown(record.ticket_id)}  thread {shown(record.thread_id)}  ", ""),
            (record.id, "dim"),
        ]


_PLAIN = {ord("\u202f"): " ", ord("…"): "~"}


def _drawn(line: Line, screen: Screen) -> str:
    left, drawn = screen.width, []
    for text, style in line:
        part = _cut(text, left)
        if not screen.blocks:
            part = part.translate(_PLAIN).encode("ascii", "replace").decode()
        left -= _width(part)
        code = STYLES[style] if screen.colours else ""
        drawn.append(f"\x1b[{code}m{part}\x1b[0m" if code and part else part)
    return "".join(drawn)


def _cut(text: str, width: int) -> str:
    """As much of it as fits, told by dots where that is not all."""
    if _width(text) <= width:
        return text
    kept, used = "", 0
    for each in text:
        used += _width(each)
        if used > width - 1:
            break
        kept += each
    return kept + "…" if width > 0 else ""


def _width(text: str) -> int:
    """In columns: those of East Asia take two."""
    return sum(
        2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in text
    )
