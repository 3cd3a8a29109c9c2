"""Acquire's API on the sandbox's world: what each call does, and what goes wrong with it.

As docs/acquire.md has it: creating and reopening are one call; only active cases take messages;
`where` knows `eq` alone; errors carry `message` and `type`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from workers.sandbox import shown
from workers.sandbox.faults import Fault, only
from workers.sandbox.http import Request
from workers.sandbox.shown import Manner
from workers.sandbox.world import MISSING_FROM, Case, Refusal, World

DEFAULT_LIMIT = 50
LONGEST_NUMBER_DIGITS = 40
OTHER_THREAD = 4_242
COLUMNS: dict[str, Callable[[Case], object]] = {
    "id": lambda case: case.id,
    "parentId": lambda case: None if case.id == case.thread_id else case.thread_id,
    "contactId": lambda case: case.contact_id,
    "status": lambda case: case.status,
    "dateCreated": lambda case: shown.time(case.created_ms),
}


class Calls:
    """Each returns `data`, or raises `Refusal`. `now_ms` is when the call came."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        contact_id = _number(request.first("contactId"), "contactId")
        body = _body(request)
        thread_id = None if body.get("threadId") is None else _number(body["threadId"], "threadId")
        if thread_id is not None:
            self._meddle(thread_id, contact_id, faults, now_ms)
        if only(faults, "existing_id") and thread_id is not None:
            return self._existing(thread_id, contact_id, now_ms)
        if only(faults, "wrong_thread"):
            thread_id = OTHER_THREAD + contact_id
        case = self._world.create(
            contact_id=contact_id,
            thread_id=thread_id,
            title=str(body.get("title") or ""),
            text=_text(body.get("message")),
            fields=body.get("fields"),
            now_ms=now_ms,
        )
        for status in ("pending", "queue"):
            if only(faults, status):
                self._world.set_status(case.id, status)
        if only(faults, "textless"):
            case.textless = True
        if only(faults, "close"):
            self._world.close(case.id, now_ms)
        if lag := only(faults, "lag"):
            self._world.hide(case, now_ms + int(lag.seconds * 1000))
        return self._case(case, Manner())

    def append(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        body = _body(request)
        case_id = _number(body.get("caseId"), "caseId")
        if only(faults, "close"):
            self._world.close(case_id, now_ms)
        message = self._world.append(case_id, _text(body.get("message")), now_ms)
        if lag := only(faults, "lag"):
            message.shown_from_ms = now_ms + int(lag.seconds * 1000)
        case = self._world.cases[case_id]
        return shown.message(message, case.thread_id, Manner())

    def close(self, request: Request, _: Sequence[Fault], now_ms: int) -> Any:
        case = self._world.close(_number(_body(request).get("caseId"), "caseId"), now_ms)
        return self._case(case, Manner())

    def merge(self, request: Request, _: Sequence[Fault], __: int) -> Any:
        contact_id = _number(request.path.rpartition("/")[2], "id")
        self._world.merge(_number(_body(request).get("contactId"), "contactId"), contact_id)
        return shown.contact_of(self._world.contact(contact_id))

    def case(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        case_id = _number(request.path.rpartition("/")[2], "id")
        known = self._world.thread(case_id, None, now_ms)
        if known is None or known.shown_from_ms > now_ms or only(faults, "missing"):
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Case not found")
        return self._case(known, manner_of(faults))

    def cases(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        if only(faults, "list_down"):
            raise Refusal(500, "ERROR_INTERNAL", "Internal error")
        asked = [_condition(where) for where in request.every("where")]
        threads = [int(value) for column, value in asked if column == "parentId" and _is_number(value)]
        among = self._world.children(threads[0]) if threads else list(self._world.cases.values())
        found = [
            case
            for case in among
            if case.shown_from_ms <= now_ms and all(str(COLUMNS[c](case)) == value for c, value in asked)
        ]
        limit = _count(request, "limit", DEFAULT_LIMIT)
        pages = only(faults, "pages")
        limit = min(limit, pages.size) if pages else limit
        page = _count(request, "page", 0)
        offset = _count(request, "offset", page * limit)
        manner = manner_of(faults)
        return {
            "page": page,
            "offset": offset,
            "limit": limit,
            "count": len(found),
            "data": [self._case(case, manner) for case in found[offset : offset + limit]],
        }

    def contact(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        contact_id = _number(request.path.rpartition("/")[2], "id")
        if only(faults, "missing"):
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Contact not found")
        contact = self._world.contact(contact_id)
        manner = manner_of(faults)
        cases = [
            self._case(case, manner)
            for case in self._world.cases.values()
            if case.contact_id == contact_id and case.shown_from_ms <= now_ms
        ]
        return {**shown.contact_of(contact), "cases": cases}

    def messages(self, request: Request, faults: Sequence[Fault], now_ms: int) -> Any:
        if only(faults, "reject_messages"):
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Cannot GET /crm/messenger/chat/messages")
        thread_id = _number(request.first("threadId"), "threadId")
        _number(request.first("contactId"), "contactId")
        manner = manner_of(faults)
        told = []
        root = self._world.thread(thread_id, None, now_ms)
        for case in [root, *self._world.children(thread_id)] if root else []:
            if case.shown_from_ms > now_ms:
                continue
            said = [
                shown.message(message, case.thread_id, manner)
                for message in case.messages
                if message.shown_from_ms <= now_ms
            ]
            entry = {**self._case(case, manner), "lastMessage": said[-1] if said else None, "cases": []}
            if not only(faults, "last_message_only"):
                entry["messages"] = said
            told.append(entry)
        return told

    def find(self, request: Request, _: Sequence[Fault], __: int) -> Any:
        search = str(_body(request).get("search") or "")
        found = [
            {
                "mainContactId": contact.merged_into or contact.id,
                "contactId": contact.id,
                "key": "email",
                "value": contact.email,
                "fields": {"email": contact.email},
            }
            for contact in self._world.with_email(search)
        ]
        return {
            "list": found,
            "counts": {"totalCount": len(self._world.contacts), "filteredCount": len(found)},
        }

    def _meddle(self, thread_id: int, contact_id: int, faults: Sequence[Fault], now_ms: int) -> None:
        """Somebody else reopens the thread just before."""
        for kind, words in (("agent", "Calling you back."), ("widget", "Hello, me again in the chat.")):
            if only(faults, kind):
                self._world.create(
                    contact_id=contact_id,
                    thread_id=thread_id,
                    title="",
                    text=words,
                    fields=None,
                    now_ms=now_ms,
                )

    def _existing(self, thread_id: int, contact_id: int, now_ms: int) -> Any:
        root = self._world.thread(thread_id, contact_id, now_ms)
        known = [*self._world.children(thread_id), *([root] if root else [])]
        if not known:
            raise Refusal(404, "ERROR_RECORD_NOT_FOUND", "Case not found")
        return self._case(known[0], Manner())

    def _case(self, case: Case, manner: Manner) -> dict[str, Any]:
        return shown.case(case, self._world.contact(case.contact_id), manner)


def manner_of(faults: Sequence[Fault]) -> Manner:
    trim = only(faults, "trim")
    return Manner(
        escape=only(faults, "escape") is not None,
        trim=trim.length if trim else None,
        textless=only(faults, "textless") is not None,
    )


def _body(request: Request) -> dict[str, Any]:
    try:
        told = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise Refusal(400, "ERROR_INVALID_INPUT", "The body is not JSON") from None
    if not isinstance(told, dict):
        raise Refusal(400, "ERROR_INVALID_INPUT", "The body is not an object")
    return told


def _number(told: object, name: str) -> int:
    if isinstance(told, int | str) and not isinstance(told, bool) and _is_number(str(told)):
        number = int(told)
        if 0 < number < MISSING_FROM:
            return number
        raise Refusal(404, "ERROR_RECORD_NOT_FOUND", f"{name} not found")
    raise Refusal(400, "ERROR_INVALID_INPUT", f"{name} must be a number")


def _count(request: Request, name: str, otherwise: int) -> int:
    told = request.first(name) or str(otherwise)
    if not _is_number(told):
        raise Refusal(400, "ERROR_INVALID_INPUT", f"{name} must be a number")
    return int(told)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER_DIGITS


def _text(told: object) -> str:
    """The words, in the documented object or plain."""
    if isinstance(told, dict):
        told = told.get("message")
    return told if isinstance(told, str) else ""


def _condition(where: str) -> tuple[str, str]:
    column, operator, value = (*where.split("|", 2), "", "")[:3]
    if column not in COLUMNS or operator != "eq":
        raise Refusal(400, "ERROR_INVALID_INPUT", f"cannot filter with {where[:60]}")
    return column, value
