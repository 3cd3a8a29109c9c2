"""What operations cost with a thousand and with a million reopens stored, in one run, in turn.

A million are staged by a script that calls the archive's own functions, a thread and a contact to each
(tests/contract/test_staging.py holds what it leaves to what the service leaves). What is printed is the time
from asking to the whole answer, over a Unix socket, the median of many; and, each by itself, the processor
time of Redis and of the asking process, the mean of many. Both Redis' memory is kept warm (bench/warm.py).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.asyncio import Redis as AsyncRedis

from bench import stack, warm
from service.clock import SystemClock
from service.domain.ports import Claimed, Write
from service.domain.reopens import Attempt, AttemptOutcome, Call, Policy, Reopen, Status, reopen_id
from service.domain.threads import Claim, Effect, KnownCase, Thread, with_claim
from service.ledger import Ledger, open_ledger
from service.ledger.admission import Admission
from service.ledger.codec import archive_rest
from service.ledger.listing import Wanted
from service.ledger.retention import LOOKED_AT, Terms
from service.ledger.scripts import packed, shared
from service.ledger.thread_codec import thread_fields
from service.queue import Bells

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = 1_000, 1_000_000
LIMIT_RATIO = 1.3
REMOVING = f"retention, {LOOKED_AT} removed"
LIMIT_RATIO_REMOVING = 2.0
"""Old records lie in memory that no cache of the processor holds, and nobody waits for their removal."""
ROUNDS = 200
SOURCE = "desk"
AT_ONCE = 500
DUE = 600
"""So many of the oldest ended longer ago than they are kept."""
DAY_MS = 86_400_000
TERMS = Terms(30 * DAY_MS, 365 * DAY_MS)
FIRST_CONTACT, FIRST_THREAD, FIRST_CASE, FIRST_TICKET = 5_000_000, 20_000_000, 1_000_000_000, 4_000_000

STAGE = """
-- ARGV[1] first, ARGV[2] last, ARGV[3] created_ms of the first due, ARGV[4] how many are due, ARGV[5] rest,
-- ARGV[6] JSON list of the fields and values of a thread, ARGV[7] created_ms of the others
local thread_of_all, base_32 = cjson.decode(ARGV[6]), { ['0'] = 'g', ['1'] = 'h', ['8'] = 'i', ['9'] = 'j' }
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local n = text(i)
  local id = string.gsub(string.sub(redis.sha1hex('id' .. n), 1, 24), '[0189]', base_32)
  local thread, case = text(20000000 + 7 * i), text(1000000000 + i)
  local created = text(tonumber(i < tonumber(ARGV[4]) and ARGV[3] or ARGV[7]) + i)
  local r = {
    status = 'reopened', source = 'desk', position = text(i + 1), created_ms = created, lasted_ms = '700',
    event_id = 'msg_' .. string.sub(redis.sha1hex('event' .. n), 1, 27), ticket_id = text(4000000 + i),
    contact_id = text(5000000 + i), thread_id = thread, new_case_id = case,
    body_hash = string.sub(redis.sha1hex(n), 1, HASH_KEPT),
    last_delivery = string.sub(redis.sha1hex(n), 1, DELIVERY_KEPT), rest = ARGV[5],
  }
  put_away(id, setmetatable(r, { __index = function() return '' end }))
  redis.call('HSET', alias_key(case), case, thread)
  redis.call('HSET', P .. 't:' .. thread, 'rev', '2', unpack(thread_of_all))
end
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A ledger with so many reopens."""

    ledger: Ledger
    client: redis.Redis
    count: int
    numbers: Iterator[int]


def constant(many: int = MANY) -> bool:
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "few").mkdir()
        (folder / "many").mkdir()
        servers = [stack.Redis(folder / "few"), stack.Redis(folder / "many")]
        try:
            print(warm.told())
            return asyncio.run(_compared(servers, (FEW, many)))
        finally:
            for server in servers:
                server.close()


def stage(client: redis.Redis, count: int) -> None:
    """So many finished reopens, the oldest of them due for removal."""
    loaded = client.register_script(f"{shared('archive', 'boxes')}\n{STAGE}")
    now_ms = SystemClock().now_ms()
    rest, thread = example()
    for first in range(0, count, AT_ONCE):
        last = min(first + AT_ONCE, count) - 1
        old, young = now_ms - 40 * DAY_MS, now_ms - DAY_MS
        loaded(args=[first, last, old, DUE, archive_rest(rest), packed(thread_fields(thread)), young])
    client.set("reopener:position", count)
    client.sadd("reopener:sources", SOURCE)
    client.hset("reopener:totals", "accepted", count)
    _settle(client)


def _settle(client: redis.Redis) -> None:
    """Have Redis end its move to a larger table of keys. It does a little with each look-up, and would for
    minutes after a million were staged, every operation paying for that.
    """
    for _ in range(2 * client.dbsize() // AT_ONCE):
        client.exists(*["reopener:none"] * AT_ONCE)


def example() -> tuple[Reopen, Thread]:
    """What a finished reopen and its thread hold, as a worker writes them."""
    calls = tuple(
        Call(name, 829 + 4 * place, 10, 200, None, (("first_byte", 4),))
        for place, name in enumerate(("read_case", "read_cases", "reopen"))
    )
    attempt = Attempt(1, 827, 853, AttemptOutcome.REOPENED, 200, None, calls)
    reopen = Reopen(
        reopen_id(SOURCE, "an event"),
        SOURCE,
        "",
        1,
        Status.REOPENED,
        0,
        700,
        attempts=(attempt,),
        text_dropped=True,
    )
    now_ms = SystemClock().now_ms()
    case_id = FIRST_CASE + 271_828
    cases = (
        KnownCase(FIRST_THREAD, "closed", now_ms - 31_415_926, now_ms),
        KnownCase(case_id, "active", None, now_ms, reopen.id),
    )
    thread = Thread(FIRST_THREAD, (FIRST_CONTACT,), cases={case.id: case for case in cases})
    return reopen, with_claim(thread, Effect("case", case_id), Claim(reopen.id, 1, case_id), now_ms)


async def _compared(servers: list[stack.Redis], counts: tuple[int, int]) -> bool:
    stored = []
    for server, count in zip(servers, counts, strict=True):
        began = time.monotonic()
        stage(server.client, count)
        used_mb = int(server.client.info("memory")["used_memory"]) / 1e6
        print(f"{count:,} staged in {time.monotonic() - began:.0f} s: {used_mb:,.0f} MB")
        connection = AsyncRedis.from_url(server.url)
        ledger = open_ledger(connection, Bells(redis.Redis()), SystemClock(), policy=Policy())
        await ledger.retention.make_salt()
        stored.append(Stored(ledger, server.client, count, itertools.count(count)))
    few, many = stored
    print(f"load {' '.join(map(str, os.getloadavg()))}")
    print(f"{'':<30}{'median, ms':^25}{'processor, ms: Redis':>24}{'Python':>18}")
    print(
        f"{'operation':<30}{f'{few.count:,}':>9}{f'{many.count:,}':>10}{'ratio':>6}"
        + f"{'':>6}few  many{'':>8}" * 2
    )
    with warm.kept_warm(*(server.process.pid for server in servers)):
        return await _printed((few, many))


async def _printed(ledgers: tuple[Stored, Stored]) -> bool:
    """Every operation's costs, a line each; whether all are within their limits."""
    holds = True
    for name, (rounds, do) in OPERATIONS.items():
        costs = await _in_turn(ledgers, rounds, do)
        ratio = costs[1].wall_ms / costs[0].wall_ms
        limit = LIMIT_RATIO_REMOVING if name == REMOVING else LIMIT_RATIO
        holds = holds and ratio <= limit
        told = f"{name:<30}{costs[0].wall_ms:>9.3f}{costs[1].wall_ms:>10.3f}{ratio:>6.2f}"
        told += "".join(f"{few_ms:>10.3f}{many_ms:>8.3f}" for few_ms, many_ms in _processor(costs))
        print(told + ("" if ratio <= limit else f"   over {limit}"))
    print(f"limits: {LIMIT_RATIO}, and {LIMIT_RATIO_REMOVING} for removing")
    return holds


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one operation, in milliseconds: from asking to the answer, and the processor time of either side."""

    wall_ms: float
    redis_ms: float
    python_ms: float


def _processor(costs: Sequence[Cost]) -> list[tuple[float, float]]:
    few, many = costs
    return [(few.redis_ms, many.redis_ms), (few.python_ms, many.python_ms)]


async def _in_turn(
    ledgers: Sequence[Stored], rounds: int, do: Callable[[Stored, int], Awaitable[object]]
) -> list[Cost]:
    times: list[list[float]] = [[] for _ in ledgers]
    python_ms = [0.0 for _ in ledgers]
    before_ms = [_redis_ms(stored) for stored in ledgers]
    for number in range(rounds):
        for place, stored in enumerate(ledgers):
            began, at_work = time.perf_counter(), time.process_time()
            await do(stored, number)
            python_ms[place] += (time.process_time() - at_work) * 1000
            times[place].append((time.perf_counter() - began) * 1000)
    return [
        Cost(
            statistics.median(times[place][rounds // 10 :]),
            (_redis_ms(stored) - before_ms[place]) / rounds,
            python_ms[place] / rounds,
        )
        for place, stored in enumerate(ledgers)
    ]


def _redis_ms(stored: Stored) -> float:
    told = stored.client.info("cpu")
    return float(told["used_cpu_user"] + told["used_cpu_sys"]) * 1000


def _admission(number: int) -> Admission:
    event_id = f"evt_bench_{number}"
    return Admission(
        reopen_id=f"bench{number:019}",
        source=SOURCE,
        event_id=event_id,
        delivery_id=event_id,
        body_hash="0" * 64,
        ticket_id=str(FIRST_TICKET + number),
        contact_id=FIRST_CONTACT + number,
        thread_id=FIRST_THREAD + 7 * number,
        text="It broke again.",
    )


async def _admit(stored: Stored, _: int) -> None:
    await stored.ledger.admissions.admit([_admission(next(stored.numbers))])


async def _repeat(stored: Stored, number: int) -> None:
    (record,) = (await stored.ledger.listing.page(Wanted(status=Status.REOPENED), limit=1)).reopens
    told = replace(
        _admission(0), reopen_id=record.id, event_id=record.event_id, delivery_id=f"again-{number}"
    )
    await stored.ledger.admissions.admit([told])


async def _work(stored: Stored, number: int) -> None:
    """Claim one that was admitted, and finish it: what a worker asks of Redis for a reopen."""
    each = f"bench{stored.count + number:019}"
    claimed = await stored.ledger.leases.claim(each, bell=None, token=each)
    assert isinstance(claimed, Claimed)
    case_id = FIRST_CASE + stored.count + number
    case = KnownCase(case_id, "active", None, 1, each)
    thread = replace(claimed.thread, cases={case_id: case})
    ended = replace(claimed.reopen, status=Status.REOPENED, new_case_id=case_id)
    await stored.ledger.leases.finish(claimed.lease, thread, Write(ended))


async def _page_in_the_middle(stored: Stored, _: int) -> None:
    await stored.ledger.listing.page(Wanted(status=Status.REOPENED), cursor=str(stored.count // 2 + 300))


async def _find_ticket(stored: Stored, number: int) -> None:
    ticket = FIRST_TICKET + DUE + (stored.count - DUE) * number // ROUNDS
    page = await stored.ledger.listing.page(Wanted(prefix=str(ticket)))
    assert page.reopens


async def _thread(stored: Stored, number: int) -> None:
    at = DUE + (stored.count - DUE) * number // ROUNDS
    assert await stored.ledger.reads.thread(FIRST_THREAD + 7 * at)


async def _retire(stored: Stored, _: int) -> None:
    retired = await stored.ledger.retention.retire(SOURCE, Status.REOPENED, None, TERMS)
    assert retired.removed == LOOKED_AT


OPERATIONS: dict[str, tuple[int, Callable[[Stored, int], Awaitable[object]]]] = {
    "admit one": (ROUNDS, _admit),
    "claim and finish one": (ROUNDS, _work),
    "a repeat of one that is done": (ROUNDS, _repeat),
    "list page, newest": (ROUNDS, lambda s, _: s.ledger.listing.page(Wanted())),
    "list page, of a status": (ROUNDS, lambda s, _: s.ledger.listing.page(Wanted(status=Status.REOPENED))),
    "list page, in the middle": (ROUNDS, _page_in_the_middle),
    "search, a whole id": (ROUNDS, _find_ticket),
    "search, 1,000 matches": (30, lambda s, _: s.ledger.listing.page(Wanted(prefix="msg_"))),
    "a thread with its reopens": (ROUNDS, _thread),
    "stats": (ROUNDS, lambda s, _: s.ledger.counts.stats(0)),
    "sweep": (ROUNDS, lambda s, _: s.ledger.sweeps.overdue()),
    REMOVING: (DUE // LOOKED_AT - 1, _retire),
}
