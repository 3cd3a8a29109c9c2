"""Did the invariants hold? Compares what was asked, what we say, and what was done in the sandbox."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.helpdesk import Helpdesk, Sent
from tests.chaos.stack import ADMIN_TOKEN, Stack

DONE = {"reopened", "appended"}
SEEN_BY_A_PERSON = {"dead", "held", "skipped", "cancelled"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A case or a message in Acquire: where it is, and in which order it came about within its thread."""

    case_id: int
    order: tuple[int, int]


@dataclass(slots=True)
class Verdict:
    """Each list names events that break an invariant."""

    lost: list[str]
    doubled: list[str]
    shown_doubles: int
    stuck: list[str]
    given_up: list[str]
    unlike: list[str]
    disorder: list[int]
    ids_differ: list[str]
    by_status: dict[str, int]
    balanced: bool
    accepted: int

    @property
    def held(self) -> bool:
        broken = (
            *(self.lost, self.doubled, self.stuck, self.unlike, self.disorder, self.ids_differ),
            self.given_up,  # nothing in this run's trouble is a reason to give up
        )
        return not any(broken) and self.balanced and self.shown_doubles == 0


async def judge(stack: Stack, helpdesk: Helpdesk) -> Verdict:
    """Compare all three. Records are read before effects: where work still goes on, what ends in between
    would be taken for lost the other way round.
    """
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        bearer = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        records = await _records(http, stack.url, bearer)
        effects = _effects((await http.get(f"{stack.acquire_url}/_sandbox/cases")).json()["cases"])
        stats = (await http.get(f"{stack.url}/api/stats", headers=bearer)).json()
    lost, doubled, stuck, given_up, unlike, differing = [], [], [], [], [], []
    for event in helpdesk.sent:
        record, found = records.get(event.event_id), effects.get(event.text, [])
        if record is None:
            lost.append(event.event_id)
            continue
        if len(found) > 1:
            doubled.append(event.event_id)
        if record["status"] in DONE:
            if not found:
                lost.append(event.event_id)
            elif record["new_case_id"] not in {effect.case_id for effect in found}:
                unlike.append(event.event_id)
        elif record["status"] in SEEN_BY_A_PERSON:
            given_up.append(f"{event.event_id} {record['status']}: {record['reason']}")
        else:
            stuck.append(f"{event.event_id} {_story(record)}")
        if helpdesk.answered.get(event.event_id) != {record["id"]}:
            differing.append(event.event_id)
    return Verdict(
        lost=lost,
        doubled=doubled,
        shown_doubles=sum(len(found) - 1 for found in effects.values() if len(found) > 1),
        stuck=stuck,
        given_up=given_up,
        unlike=unlike,
        disorder=_disorder(helpdesk.sent, effects),
        ids_differ=differing,
        by_status=stats["by_status"],
        balanced=stats["balanced"] and stats["accepted"] == len(helpdesk.sent),
        accepted=stats["accepted"],
    )


async def waiting(http: httpx.AsyncClient, stack: Stack) -> int | None:
    """How many reopens still wait, and deliveries on the receiver's disk; None where nobody answers."""
    try:
        answer = await http.get(f"{stack.url}/api/stats", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
    except httpx.TransportError:
        return None
    if answer.status_code != httpx.codes.OK:
        return None
    told = answer.json()
    return int(told["waiting"]) + (told["spool"]["deliveries"] if told["spool"] else 0)


def _story(record: dict[str, Any]) -> str:
    """What a person needs to see why it does not go on."""
    attempts = [(each["outcome"], each["http_status"], each["error"]) for each in record["attempts"]]
    return (
        f"{record['status']} ({record['reason']}: {record['detail']}), thread {record['thread_id']},"
        f" next {record['next_attempt_at']}, attempts {attempts}"
    )


def _effects(cases: list[dict[str, Any]]) -> dict[str, list[Effect]]:
    """Every text of a customer that Acquire holds, with where it stands: once for each effect."""
    found: dict[str, list[Effect]] = defaultdict(list)
    for case in cases:
        for message in case["messages"]:
            effect = Effect(int(case["id"]), (int(case["id"]), int(message["id"])))
            found[message["message"]].append(effect)
    return found


def _disorder(sent: list[Sent], effects: dict[str, list[Effect]]) -> list[int]:
    """Threads in which a later reply came before an earlier one."""
    threads: dict[int, list[Sent]] = defaultdict(list)
    for event in sent:
        threads[event.thread_id].append(event)
    wrong = []
    for thread_id, events in threads.items():
        placed = [
            min(effect.order for effect in effects[event.text])
            for event in sorted(events, key=lambda event: event.number)
            if event.text in effects
        ]
        if placed != sorted(placed):
            wrong.append(thread_id)
    return wrong


async def _records(http: httpx.AsyncClient, url: str, bearer: dict[str, str]) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = {}
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "200", **({"cursor": cursor} if cursor else {})}
        page = (await http.get(f"{url}/api/reopens", params=query, headers=bearer)).json()
        records |= {reopen["event_id"]: reopen for reopen in page["reopens"]}
        cursor = page["next_cursor"]
    return records
