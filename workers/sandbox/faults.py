"""What can go wrong with a call, as one can switch it on with `POST /_sandbox/faults`.

Each fault is an object with a `kind`, a `rate` (0 to 1, 1 by default), `on` (the calls it is about: `create`,
`append`, `read`, or the name of one read), `count` (how many times at most), and what the kind needs.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

READS = ("case", "cases", "contact", "messages", "find")
CALLS = ("create", "append", "close", "read", *READS)

KINDS: dict[str, str] = {
    "status": "answer `status`, without acting; `retry_after` seconds, `body` text",
    "act_then_status": "act, then answer `status` (a proxy's page, or `body`)",
    "drop_before": "cut the connection, without acting",
    "drop_after": "act, then cut the connection; without `on` of calls that act, so that reads tell",
    "delay": "wait `seconds`, then go on",
    "late": "cut the connection now, act `seconds` later",
    "garbage": "act, then answer 200 with what nobody can read",
    "wrong_thread": "act, but on another thread",
    "existing_id": "answer 200 with the id of a case known before, without acting",
    "lag": "what is made shows in reads only `seconds` later",
    "pending": "a new case is `pending` until it is activated",
    "queue": "a new case is in the `queue` until it is activated",
    "close": "close the case: a new one right after it was made, another right before an append",
    "agent": "an agent reopens the thread just before, with words of his own",
    "widget": "the customer's widget reopens the thread just before, with other words",
    "escape": "texts are shown HTML-escaped",
    "trim": "texts are shown cut to `length`, with white space evened out",
    "textless": "texts are not shown",
    "last_message_only": "only the last message of a case is shown",
    "reject_messages": "there is no call for messages: 404",
    "list_down": "the list of a thread's cases answers 500",
    "pages": "lists show `size` at a time",
    "missing": "nothing is found: 404",
}
KEYS = ("kind", "rate", "on", "count", "status", "seconds", "retry_after", "body", "length", "size")
DEFAULT_SECONDS = 1.0
LARGEST = 1_000_000_000


class BadFault(ValueError):
    """A fault that cannot be switched on; the message says what to mend."""


@dataclass(slots=True)
class Fault:
    kind: str
    rate: float = 1.0
    on: str | None = None
    left: int | None = None
    status: int = 500
    seconds: float = DEFAULT_SECONDS
    retry_after: float | None = None
    body: str | None = None
    length: int = 100
    size: int = 2

    def is_about(self, call: str) -> bool:
        if self.on is None:
            return self.kind != "drop_after" or call not in READS
        return self.on == call or (self.on == "read" and call in READS)


class Faults:
    """Those that are switched on; each is drawn for itself, in the order in which they were given."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.told: list[dict[str, Any]] = []
        self._faults: list[Fault] = []

    def set(self, told: object) -> None:
        """Put these in the place of those before. Raises `BadFault`, and leaves them as they were."""
        if not isinstance(told, list):
            raise BadFault("faults must be a list of objects")
        self._faults = [_fault(each) for each in told]
        self.told = told

    def drawn(self, call: str) -> list[Fault]:
        """What goes wrong with this call."""
        drawn = []
        for fault in self._faults:
            if fault.left == 0 or not fault.is_about(call) or self._rng.random() >= fault.rate:
                continue
            if fault.left is not None:
                fault.left -= 1
            drawn.append(fault)
        return drawn


def only(faults: Sequence[Fault], kind: str) -> Fault | None:
    """The first of a kind."""
    return next((fault for fault in faults if fault.kind == kind), None)


def _fault(told: object) -> Fault:
    if not isinstance(told, dict):
        raise BadFault("a fault must be an object")
    kind = told.get("kind")
    if kind not in KINDS:
        raise BadFault(f"there is no fault {kind!r}{_near(str(kind), KINDS)}")
    for key in told:
        if key not in KEYS:
            raise BadFault(f"a fault has no {key!r}{_near(key, KEYS)}")
    on = told.get("on")
    if on is not None and on not in CALLS:
        raise BadFault(f"there is no call {on!r}{_near(str(on), CALLS)}")
    fault = Fault(str(kind), on=on, left=_number(told, "count", None, int))
    fault.rate = _number(told, "rate", 1.0, float)
    if not 0 <= fault.rate <= 1:
        raise BadFault("rate must be 0 to 1")
    fault.status = _number(told, "status", 503 if kind == "act_then_status" else 500, int)
    if not 200 <= fault.status <= 599:
        raise BadFault("status must be an HTTP status of 200 to 599")
    fault.seconds = _number(told, "seconds", DEFAULT_SECONDS, float)
    fault.retry_after = _number(told, "retry_after", None, float)
    fault.length = _number(told, "length", 100, int)
    fault.size = max(1, _number(told, "size", 2, int))
    fault.body = None if told.get("body") is None else str(told["body"])
    return fault


def _number(told: dict[str, Any], key: str, default: Any, convert: type[int | float]) -> Any:
    value = told.get(key, default)
    if value is default:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        raise BadFault(f"{key} must be a number from 0 to {LARGEST}")
    return convert(value)


def _near(name: str, known: Sequence[str] | dict[str, str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
