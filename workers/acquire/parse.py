"""What Acquire shows, read defensively: what is malformed raises, since a guess could double a case.

The shapes are those of Acquire's documentation, as told in each function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from service.domain.cases import Case, CasePage, Message, Messages
from workers.acquire.values import as_id, as_ms, as_text

Item = TypeVar("Item")


class Malformed(ValueError):
    """The answer is not what Acquire documents. The message says what is wrong, without its content."""


def json_of(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None


def data_of(body: bytes) -> object:
    """What is in the envelope `{"data": ...}` that every answer comes in."""
    envelope = json_of(body)
    if not isinstance(envelope, dict) or envelope.get("data") is None:
        raise Malformed("no data")
    return envelope["data"]


def mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"no {what}")
    return value


def case(data: object, *, asked_id: int | None = None, contact_id: int | None = None) -> Case:
    """One case. `asked_id` is the id it must have; `contact_id` its contact, where it does not name one."""
    shown = mapping(data, "case")
    case_id = as_id(shown.get("id"))
    status = as_text(shown.get("status"))
    if case_id is None or asked_id not in {None, case_id}:
        raise Malformed("a case without its id")
    if status is None:
        raise Malformed("a case without a status")
    status = status.strip().lower()
    return Case(
        id=case_id,
        thread_id=thread_of(shown) or case_id,
        status=status,
        closed=status == "closed" or bool(shown.get("dateClosed")),
        contact_id=_contact_of(shown) or contact_id,
        session_id=_session_of(shown),
        text=as_text(shown.get("description")),
        created_ms=as_ms(shown.get("dateCreated")),
        marks=tuple(_marks(shown)),
    )


def thread_of(shown: Mapping[str, object]) -> int | None:
    """The thread that a case or message names: `threadId`, else `parentId`. None where it names none, so that
    a case is its own thread (docs/acquire.md, "Reopening").
    """
    for key in ("threadId", "parentId"):
        if shown.get(key) is not None:
            thread_id = as_id(shown[key])
            if thread_id is None:
                raise Malformed(f"{key} is not an id")
            return thread_id
    return None


def _contact_of(shown: Mapping[str, object]) -> int | None:
    contact = shown.get("contact")
    return as_id(contact.get("id") if isinstance(contact, dict) else shown.get("contactId"))


def _session_of(shown: Mapping[str, object]) -> str | None:
    """`meta.sessionId`: a number that needs 64 bits, sometimes written as a string."""
    meta = shown.get("meta")
    session_id = meta.get("sessionId") if isinstance(meta, dict) else None
    if isinstance(session_id, int) and not isinstance(session_id, bool):
        return str(session_id)
    return as_text(session_id)


def _marks(shown: Mapping[str, object]) -> Iterator[str]:
    """The title, and the values of custom fields: a list of `{"value": ...}`, or an object of values."""
    fields = shown.get("fields")
    values: list[object] = [shown.get("title")]
    if isinstance(fields, dict):
        values += fields.values()
    elif isinstance(fields, list):
        values += [field.get("value") for field in fields if isinstance(field, dict)]
    for value in values:
        text = as_text(value)
        if text is not None:
            yield text


def case_page(data: object, *, asked_limit: int) -> CasePage:
    """`{"page", "offset", "limit", "count", "data": [case]}`."""
    shown = mapping(data, "list of cases")
    cases = _list_of(shown.get("data"), case, "cases")
    return CasePage(
        cases, _count(shown.get("count")), full=len(cases) >= (as_id(shown.get("limit")) or asked_limit)
    )


def contact_cases(data: object, *, contact_id: int) -> tuple[Case, ...]:
    """A contact with its `cases`."""
    shown = mapping(data, "contact")
    return _list_of(shown.get("cases"), lambda item: case(item, contact_id=contact_id), "cases")


def messages(data: object) -> Messages:
    """A list of cases, each with its `lastMessage`, or (not documented) all its `messages`; or a list of the
    messages themselves, each with its `caseId`: read as cases of no messages, they would seem to be lost.
    """
    if not isinstance(data, list):
        raise Malformed("no list of cases with messages")
    by_case: dict[int, tuple[Message, ...]] = {}
    complete = bool(data)
    for entry in _with_nested(data):
        of_case = as_id(entry.get("caseId"))
        if of_case is not None and not {"lastMessage", "messages"} & entry.keys():
            by_case[of_case] = (*by_case.get(of_case, ()), _message(entry))
            complete = False
            continue
        case_id = as_id(entry.get("id"))
        if case_id is None:
            raise Malformed("a case without an id")
        if isinstance(entry.get("messages"), list):
            by_case[case_id] = _list_of(entry["messages"], _message, "messages")
        else:
            last = entry.get("lastMessage")
            by_case[case_id] = (_message(last),) if last is not None else ()
            complete = False
    return Messages(by_case, complete)


def _with_nested(entries: list[object]) -> Iterator[Mapping[str, object]]:
    """The entries, and the cases under them: in the documented sample each has an (empty) list `cases`."""
    for item in entries:
        entry = mapping(item, "case")
        yield entry
        nested = entry.get("cases")
        for inner in nested if isinstance(nested, list) else []:
            if isinstance(inner, dict) and ("lastMessage" in inner or "messages" in inner):
                yield inner


def _message(item: object) -> Message:
    shown = mapping(item, "message")
    message_id = as_id(shown.get("id"))
    if message_id is None:
        raise Malformed("a message without an id")
    text = shown.get("message")
    if isinstance(text, dict):
        text = text.get("message")
    return Message(message_id, as_text(text), as_ms(shown.get("dateCreated")))


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of found contacts: those listed, those that have the very address, and how many there are."""

    listed: frozenset[int]
    matching: tuple[int, ...]
    count: int | None


def contact_page(data: object, *, email: str) -> ContactPage:
    """`{"list": [{"mainContactId", "contactId", "key", "value", "fields"}], "counts": {"filteredCount"}}`.

    The search also finds parts of addresses; only a contact whose own address this is counts. A merged
    contact counts under its main id.
    """
    shown = mapping(data, "list of contacts")
    entries = _list_of(shown.get("list"), lambda item: mapping(item, "contact"), "contacts")
    listed, matching = set[int](), dict[int, None]()
    for entry in entries:
        contact_id = as_id(entry.get("contactId"))
        main_id = as_id(entry.get("mainContactId")) or contact_id
        if main_id is None:
            raise Malformed("a contact without an id")
        listed.add(contact_id or main_id)
        if email.strip().casefold() in set(_addresses(entry)):
            matching[main_id] = None
    counts = shown.get("counts")
    count = _count(counts.get("filteredCount")) if isinstance(counts, dict) else None
    return ContactPage(frozenset(listed), tuple(matching), count)


def _addresses(entry: Mapping[str, object]) -> Iterator[str]:
    fields = entry.get("fields")
    values = [entry.get("value")] if entry.get("key", "email") == "email" else []
    if isinstance(fields, dict):
        values.append(fields.get("email"))
    for value in values:
        if isinstance(value, str):
            yield value.strip().casefold()


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _list_of(value: object, read: Callable[[object], Item], what: str) -> tuple[Item, ...]:
    if not isinstance(value, list):
        raise Malformed(f"no list of {what}")
    return tuple(read(item) for item in value)
