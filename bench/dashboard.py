"""How long the dashboard's pages take, with few records and with many: `make bench-dashboard`.

Two services on a Redis each, one with 1,000 reopens (a tenth dead), one with 200,000 finished and 20,000 dead
ones, eleven to a thread in both; 200 deliveries were ignored. Records are admitted by the real script, and
ended and archived by the real functions of the scripts. The same pages are asked of both in turn, over HTTP
on loopback; what is printed is the time until the whole answer is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from redis import Redis

from service.auth import COOKIE, Gatekeeper
from service.clock import SystemClock
from service.connections import async_client
from service.domain.reopens import Policy, Reopen, Status
from service.embedded import EmbeddedRedis
from service.ledger import open_ledger
from service.ledger.admission import Admission
from service.ledger.codec import archive_rest, attempts_from
from service.ledger.reads import Delivery
from service.ledger.scripts import shared
from service.queue import Bells
from service.settings import load
from tests.running import ROOT, Site, environment, site_on

FEW, MANY = (900, 100), (200_000, 20_000)
IN_THREAD, IGNORED = 11, 200
BATCH = 500
ROUNDS = 40
WARM_UP = 5
LIMIT_MS, LIMIT_RATIO = 50.0, 1.5

END = """
for _, each in ipairs(cjson.decode(ARGV[1])) do
  redis.call('HSET', P .. 'r:' .. each.id, unpack(each.fields))
  set_status(each.id, each.status)
  find(each.id, each.case)
  if each.status == 'reopened' then
    local flat, r = redis.call('HGETALL', P .. 'r:' .. each.id), {}
    for i = 1, #flat, 2 do
      r[flat[i]] = flat[i + 1]
    end
    leave_status(each.id, r)
    archive(each.id, r, ARGV[2])
  end
end
"""
ATTEMPTS = json.dumps(
    [
        {
            "number": 1,
            "started_ms": 1,
            "ended_ms": 40,
            "outcome": "reopened",
            "http_status": 200,
            "calls": [
                {"name": name, "started_ms": 1, "duration_ms": 9, "http_status": 200}
                for name in ("read_case", "read_cases", "reopen")
            ],
        }
    ]
)

REST = archive_rest(
    Reopen("", "", "", 0, Status.REOPENED, 0, 0, spent=1, sent=1, attempts=attempts_from(ATTEMPTS))
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=MANY[0], help="finished ones, and a tenth more dead")
    many = parser.parse_args().many
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        few_site = stack.enter_context(_staged(Path(place) / "few", *FEW))
        many_site = stack.enter_context(_staged(Path(place) / "many", many, many // 10))
        print(f"{'page':<28}{'1,000':>22}{f'{many:,} + {many // 10:,}':>24}{'ratio':>8}")
        print(f"{'':<28}{'median':>12}{'p95':>10}{'median':>14}{'p95':>10}")
        faults = []
        for name, address in _pages().items():
            few_ms, many_ms = _measured(few_site, many_site, address)
            ratio = statistics.median(many_ms) / statistics.median(few_ms)
            print(f"{name:<28}{_told(few_ms)}{_told(many_ms, wide=14)}{ratio:>8.2f}")
            if statistics.median(many_ms) > LIMIT_MS or ratio > LIMIT_RATIO:
                faults.append(name)
    print("over the limits: " + ", ".join(faults) if faults else "all within 50 ms and 1.5 times")


def _pages() -> dict[str, Callable[[int], str]]:
    """Name -> the address of the n-th request; each asks for something else."""
    return {
        "overview": lambda _: "/",
        "overview, month": lambda _: "/?span=month",
        "list": lambda _: "/reopens",
        "list, dead": lambda _: "/reopens?status=dead",
        "list, by reason": lambda _: "/reopens?status=dead&reason=refused",
        "list, of an hour": lambda _: "/reopens?since=1h",
        "search, whole id": lambda n: f"/reopens?q=ticket-{n:07}",
        "search, 1,000 matches": lambda _: "/reopens?q=ticket-0000",
        "detail, finished": lambda n: f"/reopens/{_id(n)}",
        "why, a reply": lambda n: f"/why?q=ticket-{n:07}",
        "why, an ignored one": lambda n: f"/why?q=ignored-{n}",
        "why, never heard of": lambda n: f"/why?q=nobody-{n}",
        "deliveries": lambda _: "/deliveries",
    }


@contextmanager
def _staged(folder: Path, finished: int, dead: int) -> Iterator[Site]:
    """A service whose ledger holds so many."""
    folder.mkdir(parents=True)
    server = EmbeddedRedis.start(folder / "redis", clock=SystemClock())
    try:
        with Redis.from_url(server.url) as client:
            client.config_set("appendfsync", "no")
        started = time.monotonic()
        asyncio.run(_fill(server.url, finished, dead))
        with Redis.from_url(server.url) as client:
            memory = client.info("memory")["used_memory_human"]
        print(f"{finished + dead:,} staged in {time.monotonic() - started:.0f} s, Redis holds {memory}")
        with site_on(environment(folder, server.url)) as site:
            yield site
    finally:
        server.stop()


async def _fill(url: str, finished: int, dead: int) -> None:
    connection = async_client(url)
    ledger = open_ledger(connection, Bells(Redis()), SystemClock(), policy=Policy())
    end = connection.register_script(f"{shared('archive', 'finding', 'statuses')}\n{END}")
    every = (finished + dead) // dead
    for start in range(0, finished + dead, BATCH):
        numbers = range(start, min(start + BATCH, finished + dead))
        await ledger.admissions.admit([_admission(number) for number in numbers])
        await end(args=[json.dumps([_ended(number, every) for number in numbers]), REST])
    await ledger.account.note([_ignored(number) for number in range(IGNORED)])
    await connection.delete("rq:queue:reopener", "reopener:bells", "reopener:due")
    await connection.aclose()


def _admission(number: int) -> Admission:
    return Admission(
        reopen_id=_id(number),
        source=("support", "sales", "billing")[number % 3],
        event_id=f"event-{number}",
        delivery_id=f"delivery-{number}",
        body_hash="0" * 64,
        ticket_id=f"ticket-{number:07}",
        contact_id=500_000 + number // IN_THREAD,
        thread_id=100_000 + number // IN_THREAD,
        text="It broke again. " * 8,
    )


def _ignored(number: int) -> Delivery:
    about = (f"ignored-{number}", "support", f"ignored-event-{number}", number)
    return Delivery(*about, "ignored", "agent_reply", None, ticket_id=f"ignored-{number}")


def _ended(number: int, every: int) -> dict[str, object]:
    is_dead = number % every == 0
    said = ["reason", "refused", "detail", f"contact {number} is blocked for reason {chr(97 + number % 26)}"]
    fields = said if is_dead else ["new_case_id", str(1_000_000 + number)]
    return {
        "id": _id(number),
        "status": "dead" if is_dead else "reopened",
        "case": "" if is_dead else str(1_000_000 + number),
        "fields": [*fields, "attempts", ATTEMPTS],
    }


def _id(number: int) -> str:
    return f"r{number:023}"


def _measured(few: Site, many: Site, address: Callable[[int], str]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    clients = [_signed_in(site) for site in (few, many)]
    for number in range(WARM_UP + ROUNDS):
        for place, client in enumerate(clients):
            started = time.perf_counter()
            answer = client.get(address(number))
            spent_ms = (time.perf_counter() - started) * 1000
            assert answer.status_code == 200, f"{answer.status_code} at {answer.url}"
            if number >= WARM_UP:
                times[place].append(spent_ms)
    for client in clients:
        client.close()
    return times


def _signed_in(site: Site) -> httpx.Client:
    settings = load(site.environment, role="serve", cwd=ROOT)
    session = Gatekeeper(settings, SystemClock()).new_session("admin")
    return httpx.Client(base_url=site.origin, cookies={COOKIE: session}, timeout=60, trust_env=False)


def _told(times: list[float], wide: int = 12) -> str:
    p95 = statistics.quantiles(times, n=20)[-1]
    return f"{statistics.median(times):>{wide - 3}.1f} ms{p95:>7.1f} ms"


if __name__ == "__main__":
    main()
