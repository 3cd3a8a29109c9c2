"""Two customers, and what is to be found of one of them in Redis."""

from __future__ import annotations

import json
import re
import zlib

from redis import Redis

from service.domain.reopens import Status
from service.kept import packed
from service.ledger.codec import archived_fields
from service.ledger.requests import KeptRequest
from service.sources.base import Request
from tests.edge.test_retention import ended, event
from tests.running import everything

ANNA = {
    "ticket_id": "anna-4711",
    "contact_id": 815_4711,
    "thread_id": 770_014_711,
    "message": "My heliotrope kettle",
}
BEN = {"ticket_id": "ben-4712", "contact_id": 815_9999, "thread_id": 77_002, "message": "Ben is here"}
TRACES = ("anna[-_@]", "8154711", "770014711", "heliotrope")
"""None is so short that it stands in a random id or the address of an object by chance."""


def traces(server: Redis) -> list[str]:
    """What of Anna is in Redis, packed or not."""
    kept = [archived_fields("", server.get(key)) for key in server.keys("reopener:d:*")]
    raw = [zlib.decompress(server.get(key).split(b"\0", 2)[2]) for key in server.keys("reopener:raw:*")]
    text = everything(server) + str(kept) + str(raw)
    return found_in(text)


def found_in(text: str) -> list[str]:
    """What of Anna is in a text."""
    return [trace for trace in TRACES if re.search(trace, text.lower())]


async def stage(ledger) -> None:
    """Two customers, each with a reopen that is done, one that is dead, and one that is held."""
    for number, (name, who) in enumerate((("anna", ANNA), ("ben", BEN))):
        told = {"ticket_id": who["ticket_id"], "contact_id": who["contact_id"], "thread_id": who["thread_id"]}
        told |= {"text": who["message"], "address": f"{name}@example.com", "body_hash": f"hash-{name}"}
        for place in range(3):
            more = {"held_for": "drift", "detail": "a.b"} if place == 2 else {}
            mine = {"event_id": f"msg_{name}_{place}", "message_key": f"{name}-{place}".encode().hex()}
            await ledger.admissions.admit([event(10 * number + place, **told, **mine, **more)])
        await ended(ledger, f"id-{10 * number:04}", Status.REOPENED, new_case_id=90_000 + number)
        await ended(
            ledger, f"id-{10 * number + 1:04}", Status.DEAD, reason="refused", detail="contact is gone"
        )
        body = json.dumps(who).encode()
        request = Request(method="POST", url="/webhooks/support", headers={}, query={}, body=body)
        kept = KeptRequest(f"delivery-{number}", "support", 1, packed(request))
        await ledger.requests.keep([kept], ttl_ms=60_000)
