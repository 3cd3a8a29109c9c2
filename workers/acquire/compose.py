"""What is asked of Acquire: every call's URL, parameters and body (docs/acquire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.ports import Sending
from service.settings import AcquireSettings
from service.settings.acquire import TEMPLATE
from workers.acquire.values import as_id

PAGE_LIMIT = 50
"""Cases asked for at a time: with their contacts they stay far below the largest answer that is read."""

CASE_COLUMNS = (
    "id",
    "contactId",
    "title",
    "description",
    "status",
    "dateCreated",
    "dateClosed",
    "meta",
    "parentId",
)
"""Columns of a case that can be selected; `channel`, `contact` and `threadId` come along by themselves."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `name` is for the attempt's record, `path` stands below `/api/v1`."""

    name: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None


def reopen(sending: Sending, settings: AcquireSettings) -> Request:
    """The call that reopens a case; without `threadId` it would open an unrelated one.

    The vendor's sample body also has fields that look like filler (docs/acquire.md); only what is known to
    matter is sent, and what `[acquire.body]` adds. Its tables are merged into ours, anything else replaces.
    """
    body: dict[str, object] = {"channel": "chat", "title": "", "message": _message(sending)}
    body = _merged(body, _rendered_body(settings, sending))
    # A case needs a name even where the event knows no ticket; this one also shows whose it is.
    body["title"] = str(body["title"]) or sending.token
    if sending.session_id is not None and "sessionId" not in body:
        body["sessionId"] = _session_id(sending.session_id)
    body["threadId"] = sending.thread_id
    query = (("contactId", str(sending.contact_id)), *_user_type(settings))
    return Request("reopen", "POST", "/crm/messenger/chat/create", query, body)


def append(sending: Sending, settings: AcquireSettings) -> Request:
    """The call that adds a message to a case; only active cases take one."""
    body = {"channel": "chat", "caseId": sending.case_id, "message": _message(sending)}
    return Request("append", "POST", "/crm/messenger/chat/add-message", _user_type(settings), body)


def _message(sending: Sending) -> dict[str, object]:
    """The customer's words as they came."""
    return {"type": "message", "message": sending.reopen.text or "", "translateLangKey": ""}


def _session_id(session_id: str) -> int | str:
    """As a number where it is one: a number that needs 64 bits, sometimes written as a string."""
    number = as_id(session_id)
    return number if number is not None and str(number) == session_id else session_id


def _user_type(settings: AcquireSettings) -> tuple[tuple[str, str], ...]:
    """The vendor's front end writes this parameter with a hyphen first, its documentation also without."""
    if not settings.user_type:
        return ()
    return (("-x-user-type", settings.user_type), ("x-user-type", settings.user_type))


def _merged(ours: dict[str, object], more: Mapping[str, object]) -> dict[str, object]:
    merged = dict(ours)
    for key, value in more.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _rendered_body(settings: AcquireSettings, sending: Sending) -> dict[str, object]:
    known = _template_values(sending)
    return {key: _rendered(value, known) for key, value in settings.body.items()}


def _template_values(sending: Sending) -> dict[str, int | str]:
    """What `{{ name }}` stands for; what the event does not know is empty."""
    event = sending.reopen
    return {
        "ticket_id": event.ticket_id or "",
        "event_id": event.event_id,
        "source": event.source,
        "contact_id": sending.contact_id,
        "thread_id": sending.thread_id,
        "reopen_id": event.id,
        "token": sending.token,
        "message": event.text or "",
    }


def _rendered(value: object, known: Mapping[str, int | str]) -> object:
    """The value with its templates filled in. A string that is one template alone keeps its value's type, so
    that ids of Acquire stay numbers; a value is never searched for templates again.
    """
    if isinstance(value, str):
        alone = TEMPLATE.fullmatch(value.strip())
        return known[alone[1]] if alone else TEMPLATE.sub(lambda found: str(known[found[1]]), value)
    if isinstance(value, Mapping):
        return {key: _rendered(inner, known) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(inner, known) for inner in value]
    return value


def case(case_id: int) -> Request:
    return Request(
        "read_case", "GET", f"/crm/objects/case/{case_id}", (*_CASE_SELECT, ("relations", "contact"))
    )


def cases(thread_id: int, page: int, *, with_fields: bool) -> Request:
    """The cases reopened from the thread's first one. The pages are numbered from 0; `count` in the
    documented answer is of all of them.
    """
    query = (("where", f"parentId|eq|{thread_id}"), *_CASE_SELECT, ("relations", "contact"))
    # Custom fields matter only where one of ours may be echoed in them.
    query += (("relations", "fields"),) if with_fields else ()
    query += (("limit", str(PAGE_LIMIT)), ("page", str(page)))
    return Request("read_cases", "GET", "/crm/objects/case", query)


def contact(contact_id: int) -> Request:
    return Request("read_contact", "GET", f"/crm/objects/contact/{contact_id}", (("relations", "cases"),))


def messages(thread_id: int, contact_id: int) -> Request:
    query = (("threadId", str(thread_id)), ("contactId", str(contact_id)))
    return Request("read_messages", "GET", "/crm/messenger/chat/messages", query)


def contacts(email: str, page: int) -> Request:
    """The documented search, whose limit of 0 is no limit: its sample answer has all that were found."""
    body = {"payload": {}, "page": page, "limit": 0, "search": email}
    return Request("find_contacts", "POST", "/crm/contact/list", (), body)


_CASE_SELECT = tuple(("select", column) for column in CASE_COLUMNS)
