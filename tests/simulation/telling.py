"""Says what happens in words, for whoever reads a history."""

from __future__ import annotations

import itertools
import json
from typing import Any

from service.domain.cases import Case, CasePage, Messages, ThreadRead
from service.domain.outcomes import Done
from service.ledger.thread_codec import thread_told


def question(script: str, args: list[Any]) -> str:
    """What a script is asked to do."""
    texts = [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value) for value in args
    ]
    match script:
        case "admit":
            events = itertools.chain(*json.loads(texts[4]))
            if texts[4] == "[]":
                return "ask whether Redis is still the same"
            names = ", ".join(_event(told) for told in events)
            return f"admit {names}" + (" once more" if texts[7] == "1" else "")
        case "again":
            written = json.loads(texts[2])
            told = "; ".join(
                f"thread {each['box']} as of {each['revision']}: {_thread(_doc(each['box'], each['thread']))}"
                for each in written
            )
            return f"write once more {told}"
        case "claim":
            return f"claim {texts[0]} for {texts[1] or 'no bell'} as {texts[2]}"
        case "write":
            told = json.loads(texts[7])
            thread = _thread(_doc(texts[1], told["thread"]))
            return f"{texts[0]} thread {texts[1]}: {thread}{_writes(told['records'])}"
        case "ring":
            return f"ring {texts[0]}"
        case _:
            return f"{script} {' '.join(text for text in texts if text)}"


def _event(told: dict[str, str]) -> str:
    where = told.get("thread_id") or f"ticket {told.get('ticket_id')}"
    return f"{told['event_id']} ({where}{', held: ' + told['reason'] if 'reason' in told else ''})"


def answer(value: Any) -> str:
    """What came back."""
    match value:
        case Exception():
            return f"{type(value).__name__}: {value}"
        case ThreadRead(root, page):
            return f"{_case(root) if root else 'no such case'}; {answer(page)}"
        case CasePage(cases, count, _):
            return f"{', '.join(map(_case, cases)) or 'no case'} (of {count})"
        case Case():
            return _case(value)
        case Messages(by_case, complete):
            shown = "; ".join(
                f"in {case_id}: " + (", ".join(f"{m.id} {_words(m.text)}" for m in said) or "none")
                for case_id, said in by_case.items()
            )
            return shown if complete else f"last messages {shown}"
        case tuple():
            return ", ".join(map(answer, value)) or "none"
        case Done(case_id, _, message_id):
            return f"done: case {case_id}" + (f", message {message_id}" if message_id else "")
        case list():
            return _script(value)
        case _:
            return str(value)


def _script(rows: list[Any]) -> str:
    """What a script answered."""
    match rows:
        case ["claimed", box, _, _, read_lag, forgot, record, _, *_]:
            flat = json.loads(record)
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            more = f", read lag {read_lag} ms" if read_lag != "0" else ""
            more += ", Redis may have forgotten" if forgot != "0" else ""
            return f"claimed {box}: head {fields['event_id']} ({fields['status']}{more})"
        case ["unclaimed", why, _, *_]:
            return f"nothing to do ({why})"
        case [why, list(boxes), list(_), list(leases), _] if len(leases) % 2 == 0:
            held = ", ".join(map(" ".join, zip(leases[::2], leases[1::2], strict=True)))
            return f"{why or 'not blocked'}; overdue {', '.join(boxes) or 'none'}; leases {held or 'none'}"
        case _:
            return str(rows)


def _doc(box: str, flat: list[str]) -> dict[str, Any]:
    return thread_told(int(box) if box.isdigit() else 0, dict(zip(flat[::2], flat[1::2], strict=True)))


def _thread(doc: dict[str, Any]) -> str:
    """The parts of a thread that decide."""
    parts = []
    for intent in doc.get("intents", ()):
        where = f"append to {intent['case_id']}" if intent["kind"] == "append" else "create"
        state = f"{intent['state']}, {intent['empty_looks']} empty looks"
        parts.append(f"intent of {intent['reopen_id']} #{intent['attempt']} to {where} ({state})")
    parts += [f"{row[0]} is {row[1]}'s" for row in doc.get("claims", ())]
    parts += [f"duplicate {row[0]} of {row[1]}: {row[2]}" for row in doc.get("duplicates", ())]
    return "; ".join(parts) or "nothing open"


def _writes(records: list[dict[str, Any]]) -> str:
    told = []
    for write in records:
        fields = dict(zip(write["fields"][::2], write["fields"][1::2], strict=True))
        more = [fields["reason"], f"case {fields['new_case_id']}" if fields["new_case_id"] else ""]
        words = " ".join(part for part in more if part)
        told.append(f"{write['id']} {write['status']}" + (f" ({words})" if words else ""))
    return "".join(f" | {each}" for each in told)


def _case(case: Case) -> str:
    return f"{case.id} {case.status} {_words(case.text)}"


def _words(text: str | None) -> str:
    return "(no text)" if text is None else f'"{text}"'
