"""Deliveries that cannot be judged yet, since the helpdesk's public keys are not here."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.responses import Response

from service import receiver as receiving
from service.clock import SystemClock
from service.ledger.admission import Admitted
from service.metrics import ReceiverMetrics
from service.receiver import Receiver
from service.sources import KINDS
from service.sources.parts import jwks
from tests.unit.sources.configured import rsa_keys_of
from tests.unit.sources.deliveries import source_of

PRIVATE, _, JWKS_FILE = rsa_keys_of("the helpdesk")
ZOHO = source_of("zoho-desk", org_id="700123", webhook_id="2")


class Publisher:
    """Answers with the keys when it is let."""

    def __init__(self) -> None:
        self.let, self.asked = threading.Event(), threading.Event()

    def __call__(self, _: str) -> bytes:
        self.asked.set()
        self.let.wait()
        return Path(JWKS_FILE).read_bytes()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Asked instead of Zoho, by a process that knows no key yet."""
    publisher = Publisher()
    monkeypatch.setattr(jwks, "_get", publisher)
    jwks.published_keys.cache_clear()
    yield publisher
    publisher.let.set()
    jwks.published_keys.cache_clear()


@pytest.fixture
def receiver() -> Receiver:
    async def admit(admissions):
        return [Admitted("accepted", each.reopen_id, "queued", None, False) for each in admissions]

    notes = SimpleNamespace(add=lambda _: None)
    return Receiver({"zoho": ZOHO}, admit, notes, SystemClock(), ReceiverMetrics())


async def answer(receiver: Receiver) -> Response:
    request = KINDS["zoho-desk"].sample(
        ZOHO, url="http://x/webhooks/zoho", now=datetime.now(UTC), event_id="1", signing_key=PRIVATE
    )
    headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/zoho", "headers": headers}
    scope |= {"query_string": b"", "scheme": "http", "server": ("x", 80), "client": None}
    parts = iter([{"type": "http.request", "body": request.body, "more_body": False}])

    async def receive():
        return next(parts)

    return await receiver.take("zoho", scope, receive)


async def test_a_delivery_waits_for_the_keys_and_nobody_for_it(receiver: Receiver, publisher: Publisher):
    """While the first delivery of a process waits for the helpdesk's keys, the receiver goes on."""
    waiting = asyncio.create_task(answer(receiver))
    await asyncio.to_thread(publisher.asked.wait)
    assert not waiting.done()
    publisher.let.set()
    assert json.loads((await waiting).body)["results"][0]["status"] in {"accepted", "held"}


async def test_a_delivery_that_cannot_be_judged_is_to_come_again(
    receiver: Receiver, publisher: Publisher, monkeypatch
):
    """Where the keys do not come in time, it is neither taken nor refused: 503. The next one finds them."""
    monkeypatch.setattr(receiving, "LONGEST_FETCH_SECONDS", 0.01)
    told = await answer(receiver)
    assert told.status_code == 503
    assert 0 < int(told.headers["retry-after"]) < 60
    assert json.loads(told.body)["error"]["code"] == "key_unavailable"
    publisher.let.set()
    monkeypatch.setattr(receiving, "LONGEST_FETCH_SECONDS", 10)
    assert (await answer(receiver)).status_code == 200
