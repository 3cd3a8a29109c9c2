"""The stack with a source of every kind, and the helpdesks that send to it. Its fixture is in conftest.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from service.clock import SystemClock
from service.sources import Request
from tests import running
from tests.running import Whole
from tests.unit.sources.configured import CONFIGURED, Configured

BY_NAME = {one.name: one for one in CONFIGURED}
numbers = count(1)


@dataclass(frozen=True)
class Desk:
    """A stack with a source of every kind, and the helpdesks that send to it."""

    whole: Whole

    def signed(self, one: Configured, *, seconds_ago: float = 0, **values: Any) -> Request:
        """A sample as this helpdesk would send it now."""
        return one.kind.sample(
            values.pop("source", one.source),
            url=f"{self.whole.origin}/webhooks/{one.name}",
            now=SystemClock().now() - timedelta(seconds=seconds_ago),
            event_id=f"evt-{next(numbers)}",
            signing_key=values.pop("signing_key", one.signing_key),
            **values,
        )

    def sends(self, request: Request) -> httpx.Response:
        return self.whole.client.post(request.url, content=request.body, headers=dict(request.headers))

    def reply(self, source: str, **data: Any) -> dict[str, Any]:
        """The answer to a customer's reply in the contract's body, without ids unless `data` has them."""
        one = BY_NAME["standard"]
        body = running.reply(**{"contact_id": None, "thread_id": None, **data})
        bare = Request(
            method="POST",
            url=f"{self.whole.origin}/webhooks/{source}",
            headers={"content-type": "application/json", "webhook-id": f"evt-{next(numbers)}"},
            body=json.dumps(body).encode(),
            query={},
        )
        answer = self.sends(one.kind.scheme.sign(bare, one.source, SystemClock().now(), None))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def contact(self, contact_id: int, email: str) -> None:
        """Acquire knows a contact of this address."""
        self.whole.sandbox.post("/_sandbox/contacts", json={"id": contact_id, "email": email})

    def merge(self, contact_id: int, into: int) -> None:
        """Acquire merges one contact into another."""
        self.whole.sandbox.post(
            f"/api/v1/crm/contact/merge/{into}",
            json={"contactId": contact_id},
            headers={"authorization": f"Bearer {self.whole.environment['ACQUIRE_API_KEY']}"},
        ).raise_for_status()

    def thread(self, contact_id: int, thread_id: int) -> int:
        """The contact has a closed case of this thread; its id."""
        reopen = self.whole.api(
            "POST",
            "/api/reopens",
            {"contact_id": contact_id, "thread_id": thread_id, "message": "An earlier reply."},
            headers={"idempotency-key": f"key-{next(numbers)}"},
        ).json()
        case_id = self.whole.until(reopen["id"], "reopened")["new_case_id"]
        self.whole.sandbox.post(f"/_sandbox/cases/{case_id}/close").raise_for_status()
        return int(case_id)

    def refusals(self, name: str) -> list[dict[str, Any]]:
        """Those told so far; none while Redis is too busy to tell."""
        answer = self.whole.api("GET", f"/api/deliveries?verdict=rejected&source={name}")
        return answer.json()["deliveries"] if answer.status_code == 200 else []


@contextmanager
def desk_on(folder: Path, redis_url: str) -> Iterator[Desk]:
    """Sources named as in `CONFIGURED`, and `by-email`, which is `standard` with the look-up by address."""
    secrets, tables = {}, [running.CONFIG.partition("[sources")[0]]
    for one in CONFIGURED:
        variable = f"SECRET_OF_{one.name.upper().replace('-', '_')}"
        table = {"kind": one.kind.name, **one.source.options}
        if one.source.secrets:
            secrets[variable] = one.source.secrets[0].reveal()
            table["secret_env"] = variable
        tables.append(f"[sources.{one.name}]\n" + lines(table))
        tables.append(f"[sources.{one.name}.map]\n" + lines(one.source.map))
    tables.append(
        '[sources.by-email]\nkind = "standard"\nsecret_env = "SECRET_OF_STANDARD"\nlookup = "email"'
    )
    with running.whole_on(folder, redis_url, config="\n".join(tables), **secrets) as whole:
        yield Desk(whole)


def lines(table: Any) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
