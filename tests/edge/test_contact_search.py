"""A person's search for a contact of Acquire's."""

from __future__ import annotations

import asyncio
import json

import pytest

from service import contacts
from service.contacts import CannotSearch, find_contacts
from service.settings import AcquireSettings, Secret
from tests.running import served

CONTACTS = range(1, 6)


def acquire(*, answers: bool):
    """Lists five contacts, and tells of each once all five are asked for; or hangs."""
    asked, all_asked = set(), asyncio.Event()

    async def app(scope, receive, send):
        if scope["method"] == "POST":
            told = {"list": [{"contactId": each, "value": f"{each}@example.com"} for each in CONTACTS]}
        else:
            contact_id = int(scope["path"].rpartition("/")[2])
            asked.add(contact_id)
            if not answers:
                while (await receive())["type"] != "http.disconnect":
                    continue
                return
            if len(asked) == len(CONTACTS):
                all_asked.set()
            await all_asked.wait()
            told = {"id": contact_id, "cases": [{"id": 10 * contact_id, "status": "closed"}]}
        body = json.dumps({"data": told}).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    return app


async def search(origin: str):
    return await find_contacts(AcquireSettings(origin=origin, api_key=Secret("key")), "example.com")


async def test_contacts_are_asked_for_side_by_side():
    """A page with many contacts takes as long as the slowest of them, and shows them in Acquire's order."""
    with served(acquire(answers=True), lifespan="off") as origin:
        found = await search(origin)
    assert [(each.id, [thread.id for thread in each.threads]) for each in found] == [
        (each, [10 * each]) for each in CONTACTS
    ]


async def test_a_search_ends_where_acquire_hangs(monkeypatch):
    """Nobody waits for a page that Acquire keeps from coming."""
    monkeypatch.setattr(contacts, "SEARCH_SECONDS", 0.3)
    with (
        served(acquire(answers=False), lifespan="off") as origin,
        pytest.raises(CannotSearch, match="could not be asked"),
    ):
        await search(origin)
