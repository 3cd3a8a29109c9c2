"""Acquire's contacts and their threads, for a person who has to say whose reply this is. Reads only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from service.settings import AcquireSettings

SEARCH_SECONDS = 8.0
MOST_CONTACTS = 8
MOST_THREADS = 6


class CannotSearch(Exception):
    """Acquire could not be asked; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class FoundThread:
    id: int
    cases: int
    newest_case_id: int
    status: str


@dataclass(frozen=True, slots=True)
class FoundContact:
    """A contact under its main id, with its threads, the newest first."""

    id: int
    shown: str
    threads: tuple[FoundThread, ...]


async def find_contacts(acquire: AcquireSettings, search: str) -> list[FoundContact]:
    """Contacts that Acquire finds for an address, name or id. Raises `CannotSearch`."""
    if acquire.origin is None or acquire.api_key is None:
        raise CannotSearch(
            "This receiver was not told the Acquire account: set ACQUIRE_ACCOUNT_ID and ACQUIRE_API_KEY here"
            " too, or type the ids."
        )
    headers = {"Authorization": f"Bearer {acquire.api_key.reveal()}"}
    try:
        async with (
            asyncio.timeout(SEARCH_SECONDS),
            httpx.AsyncClient(
                base_url=f"{acquire.origin}/api/v1", headers=headers, timeout=SEARCH_SECONDS, trust_env=False
            ) as client,
        ):
            found = await _contacts(client, search)
            threads = await asyncio.gather(*(_threads(client, each) for each in found))
            return [FoundContact(*each) for each in zip(found, found.values(), threads, strict=True)]
    except (httpx.HTTPError, ValueError, OSError) as error:
        raise CannotSearch(f"Acquire could not be asked ({type(error).__name__}): try again.") from None


async def _contacts(client: httpx.AsyncClient, search: str) -> dict[int, str]:
    if search.isascii() and search.isdigit():
        return {int(search): f"contact {search}"}
    body = {"payload": {}, "page": 0, "limit": 0, "search": search}
    rows = _list(_data(await client.post("/crm/contact/list", json=body)).get("list"))
    found: dict[int, str] = {}
    for row in rows:
        main = _id(row.get("mainContactId")) or _id(row.get("contactId"))
        if main is not None and len(found) < MOST_CONTACTS:
            found.setdefault(main, str(row.get("value") or f"contact {main}")[:200])
    return found


async def _threads(client: httpx.AsyncClient, contact_id: int) -> tuple[FoundThread, ...]:
    answer = await client.get(f"/crm/objects/contact/{contact_id}", params={"relations": "cases"})
    threads: dict[int, list[dict[str, Any]]] = {}
    for case in _list(_data(answer).get("cases")):
        thread_id = _id(case.get("parentId")) or _id(case.get("id"))
        if thread_id is not None:
            threads.setdefault(thread_id, []).append(case)
    found = []
    for thread_id, cases in threads.items():
        newest = max(cases, key=lambda case: _id(case.get("id")) or 0)
        status = str(newest.get("status") or "unknown")[:40]
        found.append(FoundThread(thread_id, len(cases), _id(newest.get("id")) or thread_id, status))
    found.sort(key=lambda thread: thread.newest_case_id, reverse=True)
    return tuple(found[:MOST_THREADS])


def _data(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code in {400, 404}:
        return {}
    answer.raise_for_status()
    told = answer.json()
    data = told.get("data") if isinstance(told, dict) else None
    return data if isinstance(data, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _id(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None
