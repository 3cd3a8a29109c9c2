"""An event of a made-up desk, as the ledger takes it: for tests."""

from __future__ import annotations

from service.domain.reopens import reopen_id
from service.ledger.admission import Admission


def event(name: str, **more: object) -> Admission:
    told = {
        "reopen_id": reopen_id("desk", name),
        "source": "desk",
        "event_id": name,
        "delivery_id": f"delivery-{name}",
        "body_hash": "hash",
        "ticket_id": "T1",
        "contact_id": 1,
        "thread_id": 5,
        "text": "It broke again.",
    }
    return Admission(**{**told, **more})
