"""A helpdesk as it behaves: it sends a thread's events in order, resends until it gets 200, and repeats."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from service.settings import Secret, SourceSettings
from service.sources import KINDS
from tests.chaos.stack import SECRET, SOURCE

FIRST_THREAD = 5_000
FIRST_CONTACT = 900_000
REPEATED_SHARE = 0.2
RESEND_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Sent:
    """One event: who wrote what, and where it belongs."""

    event_id: str
    thread_id: int
    number: int
    text: str


@dataclass(slots=True)
class Helpdesk:
    """Sends `events` events over `threads` threads, spread over a while, to `url` and the `others` in turn;
    `answered` holds the reopen ids that each event got.
    """

    url: str
    events: int
    threads: int
    seed: int
    spread_seconds: float
    others: tuple[str, ...] = ()
    sent: list[Sent] = field(default_factory=list)
    answered: dict[str, set[str]] = field(default_factory=dict)
    deliveries: int = 0
    refused: int = 0
    slowest_refusal_seconds: float = 0.0

    async def run(self, *, at_once: int = 24) -> None:
        limit = asyncio.Semaphore(at_once)
        http = httpx.AsyncClient(timeout=10, trust_env=False)
        async with http, asyncio.TaskGroup() as group:
            for place in range(self.threads):
                group.create_task(self._thread(http, limit, place))

    async def _thread(self, http: httpx.AsyncClient, limit: asyncio.Semaphore, place: int) -> None:
        rng = random.Random(f"{self.seed}:{place}")
        count = self.events // self.threads + (1 if place < self.events % self.threads else 0)
        pauses = sorted(rng.uniform(0, self.spread_seconds) for _ in range(count))
        started = time.monotonic()
        for number, pause in enumerate(pauses):
            await asyncio.sleep(max(0.0, started + pause - time.monotonic()))
            event = Sent(
                event_id=f"chaos-{self.seed}-{place}-{number}",
                thread_id=FIRST_THREAD + place,
                number=number,
                text=f"Reply {number} of customer {place}: it <broke> & again, {rng.random():.12f}",
            )
            self.sent.append(event)
            async with limit:
                copies = 3 if rng.random() < REPEATED_SHARE else 1
                await asyncio.gather(*(self._deliver(http, event) for _ in range(copies)))

    async def _deliver(self, http: httpx.AsyncClient, event: Sent) -> None:
        receivers = (self.url, *self.others)
        while True:
            self.deliveries += 1
            try:
                answer = await post(http, receivers[self.deliveries % len(receivers)], event)
            except httpx.TransportError:
                self.refused += 1
            else:
                if answer.status_code == httpx.codes.OK:
                    self.answered.setdefault(event.event_id, set()).add(answer.json()["reopen_id"])
                    return
                self.refused += 1
                took_seconds = answer.elapsed.total_seconds()
                self.slowest_refusal_seconds = max(self.slowest_refusal_seconds, took_seconds)
            await asyncio.sleep(RESEND_SECONDS)


async def post(http: httpx.AsyncClient, url: str, event: Sent) -> httpx.Response:
    """One delivery of the event, signed now."""
    kind = KINDS["standard"]
    source = SourceSettings(name=SOURCE, kind=kind.name, secrets=(Secret(SECRET),))
    request = kind.sample(
        source,
        url=f"{url}/webhooks/{SOURCE}",
        now=datetime.now(UTC),
        event_id=event.event_id,
        ticket_id=f"T{event.thread_id}",
        contact_id=FIRST_CONTACT + event.thread_id,
        thread_id=event.thread_id,
        message=event.text,
    )
    return await http.post(request.url, content=request.body, headers=dict(request.headers))
