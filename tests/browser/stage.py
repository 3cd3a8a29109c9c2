"""A day at a helpdesk, played through the running service, so that every page has something to show."""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import dataclass

from tests.running import Whole, reply, until

SCRIPT = "<script>document.title='taken'</script>"
REFUSAL = '{"message": "The contact is blocked for <b>chat</b>", "type": "ERROR_INVALID_INPUT"}'
HOSTILE_REFUSAL = json.dumps({"message": SCRIPT, "type": "ERROR_INVALID_INPUT", SCRIPT: SCRIPT})
WAITED = ((30, 0.7), (34, 0.28), (44, 0.02))
"""Buckets of `service/ledger/series.py`, with the share of replies in each."""
LATE = {"reopened", "appended", "skipped", "dead", "held", "cancelled"}


@dataclass(frozen=True, slots=True)
class Staged:
    """Ids of what was played."""

    reopened: str
    appended: str
    dead: str
    held: str
    hostile: str


def play(whole: Whole, *, dead: int = 3, refusal: str = REFUSAL) -> Staged:
    """Replies that end well, are refused by Acquire, held, ignored, rejected, doubled; one is hostile."""
    reopened = [said(whole, f"ok-{n}", ticket_id=f"48{n:02}", thread_id=2000 + n) for n in range(6)]
    appended = said(whole, "again", ticket_id="4800", thread_id=2000, message="And another thing.")
    for each in (*reopened, appended):
        whole.until(each, *LATE)
    whole.deliver(reply(ticket_id="4800", thread_id=2000), event_id="ok-0")
    whole.faults({"kind": "status", "on": "create", "status": 422, "body": refusal})
    refused = [said(whole, f"bad-{n}", ticket_id=f"49{n:02}", thread_id=3000 + n) for n in range(dead)]
    for each in refused:
        whole.until(each, "dead")
    whole.faults()
    held = said(whole, "who", ticket_id="5001", contact_id=None, thread_id=None, message="Hello? It is me.")
    hostile = said(whole, SCRIPT, ticket_id=SCRIPT, contact_id=SCRIPT, thread_id=SCRIPT, message=SCRIPT * 3)
    whole.deliver(reply(author="agent", ticket_id=f"5002 {SCRIPT}"), event_id=f"agent {SCRIPT}")
    whole.deliver(reply(ticket_status="open", ticket_id="5003"), event_id="open-1")
    whole.deliver(reply(ticket_id="5004"), event_id="forged", secret="second")
    whole.deliver(reply(ticket_id="5005"), event_id="old", age_seconds=4_000)
    until(lambda: len(whole.api("GET", "/api/deliveries?verdict=rejected").json()["deliveries"]) == 2)
    return Staged(reopened[0], appended, refused[0], held, hostile)


def made_up_month(whole: Whole) -> None:
    """Counters of a month that never was, for the charts of a picture: busy days, quiet nights."""
    rng, now_s = random.Random(7), int(time.time())
    for letter, slot_s, block, shown, most in (
        ("m", 60, 60, 60, 9),
        ("h", 3_600, 24, 24, 260),
        ("d", 86_400, 32, 31, 3_800),
    ):
        for slot in range(now_s // slot_s - shown + 1, now_s // slot_s):
            day = 0.25 + 0.75 * max(0.0, math.sin((slot * slot_s / 86_400 - 0.25) * 2 * math.pi))
            weekend = 0.35 if (slot * slot_s // 86_400 + 4) % 7 in {0, 6} else 1.0
            came = round(most * (day if letter == "h" else 0.8) * weekend * rng.uniform(0.7, 1.1))
            dead = sum(rng.random() < 0.02 for _ in range(min(came, 200)))
            counts = {"support:in:accepted": came, "support:reopened": came - dead, "support:dead": dead}
            counts |= {f":{bucket}": round(came * share) for bucket, share in WAITED}
            for what, number in counts.items():
                if number:
                    whole.redis.hincrby(f"reopener:series:{letter}:{slot // block}", f"{slot}:{what}", number)


def said(whole: Whole, event_id: str, **data: object) -> str:
    """A customer's reply, delivered; the reopen's id."""
    answer = whole.deliver(reply(**data), event_id=event_id)
    assert answer.status_code == 200, answer.text
    return answer.json()["reopen_id"]
