"""A case as Acquire writes it: every field of the sample on the vendor's page "Reopen Case"."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

from workers.sandbox.world import Case, Contact, Message

FILLER_CONTACT: dict[str, Any] = {
    "dateCreated": "2021-03-24T10:06:57.000Z",
    "dateUpdated": "2021-03-24T11:08:17.498Z",
    "clientType": "web",
    "clientName": "Chrome",
    "clientVersion": "87.0",
    "clientOsName": "Linux",
    "clientOsVersion": "x86_64",
    "clientDeviceType": "Desktop",
    "clientDeviceVendor": None,
    "clientDeviceModel": None,
    "clientDetails": {},
    "archive": "no",
    "company": None,
    "tags": [],
    "visits": [],
}


class Manner:
    """How texts are shown: the faults `escape`, `trim`, `textless` change it."""

    def __init__(self, *, escape: bool = False, trim: int | None = None, textless: bool = False) -> None:
        self._escape = escape
        self._trim = trim
        self._textless = textless

    def text(self, text: str) -> str | None:
        if self._textless:
            return None
        if self._escape:
            text = html.escape(text).replace("\n", "<br>")
        if self._trim is not None:
            text = " ".join(text.split())[: self._trim]
        return text


def case(known: Case, contact: Contact, manner: Manner) -> dict[str, Any]:
    """`data` of the vendor's sample, and `meta`, which reads show."""
    return {
        "title": known.title,
        "description": None if known.textless else manner.text(known.description),
        "channel": "chat",
        "contact": contact_of(contact),
        "status": known.status,
        "dateQueue": time(known.created_ms),
        "dateCreated": time(known.created_ms),
        "datePending": None,
        "dateActive": time(known.created_ms) if known.status == "active" else None,
        "visitId": 1371,
        "users": [],
        "parentId": None if known.id == known.thread_id else known.thread_id,
        "userId": 25,
        "dateUpdated": None,
        "closedBy": 25 if known.status == "closed" else None,
        "closingState": None,
        "dateClosed": time(known.closed_ms),
        "id": known.id,
        "threadId": known.thread_id,
        "fields": known.fields,
        "isCaseJoined": False,
        "timelineId": 1604 + known.thread_id,
        "preMessages": [],
        "meta": {"sessionId": known.session_id},
    }


def contact_of(contact: Contact) -> dict[str, Any]:
    email = {"key": "email", "object": "contact", "type": "text"}
    fields = [{"value": contact.email, "owner": "contact", "contactId": contact.id, "field": email}]
    return {"id": contact.id, **FILLER_CONTACT, "fields": fields}


def message(said: Message, thread_id: int, manner: Manner) -> dict[str, Any]:
    return {
        "id": said.id,
        "caseId": said.case_id,
        "threadId": thread_id,
        "channel": "chat",
        "type": "message",
        "senderType": said.sender,
        "message": manner.text(said.text),
        "dateCreated": time(said.created_ms),
    }


def time(unix_ms: int | None) -> str | None:
    if unix_ms is None:
        return None
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
