"""What a benchmark stages by the million is what the service leaves."""

from __future__ import annotations

from dataclasses import replace

import redis
import redis.asyncio

from bench.constant import SOURCE, example, stage
from service.domain.ports import Claimed, Write
from service.domain.threads import Claim, Effect, with_claim
from service.ledger import Ledger
from service.ledger.admission import Admission
from service.ledger.codec import archived_fields
from service.ledger.listing import Wanted


def shape(server: redis.Redis, reopen_id: str) -> dict[str, object]:
    """What Redis holds for a finished reopen: which keys, of which kind, and what leads to it."""
    found = {}
    fields = archived_fields(reopen_id, server.get(f"reopener:d:{reopen_id}"))
    thread, case = fields["thread_id"], fields["new_case_id"]
    for name in (f"t:{thread}", f"alias:{case[:-2]}"):
        key = f"reopener:{name}"
        found[name.partition(":")[0]] = (server.type(key), server.object("encoding", key))
    found["thread's fields"] = sorted(server.hkeys(f"reopener:t:{thread}"))
    found["alias"] = server.hget(f"reopener:alias:{case[:-2]}", case) == thread.encode()
    found["fields"] = {name: bool(value) for name, value in fields.items()}
    leaves = server.keys("reopener:leaf:*")
    found["entries"] = sorted((key.rsplit(b":", 1)[0], server.zrange(key, 0, -1)) for key in leaves)
    return found


async def test_a_staged_reopen_is_one_that_a_worker_finished(ledger: Ledger, redis_url: str):
    """Keys, their kinds, fields and index entries of a staged reopen are those of a real one."""
    server = redis.Redis.from_url(redis_url)
    stage(server, 1)
    (staged,) = (await ledger.listing.page(Wanted())).reopens
    by_stage = shape(server, staged.id)
    thread_view = await ledger.reads.thread(staged.thread_id)
    assert [record.id for record in thread_view.reopens] == [staged.id]
    assert (await ledger.counts.stats(0)).balanced
    server.flushdb()
    told = {"ticket_id": staged.ticket_id, "contact_id": staged.contact_id, "thread_id": staged.thread_id}
    ids = {"source": SOURCE, "event_id": staged.event_id, "delivery_id": "d" * 18, "body_hash": "0" * 64}
    await ledger.admissions.admit([Admission(staged.id, **ids, **told, text="Hello")])
    claimed = await ledger.leases.claim(staged.id, bell=None, token="token")
    assert isinstance(claimed, Claimed)
    reopen, thread = example()
    root, made = sorted(thread.cases.values(), key=lambda case: case.id)
    made = replace(made, id=staged.new_case_id, reopen_id=staged.id)
    thread = replace(claimed.thread, cases={staged.thread_id: root, made.id: made})
    thread = with_claim(thread, Effect("case", made.id), Claim(staged.id, 1, made.id), made.seen_ms)
    ended = replace(
        claimed.reopen,
        status=staged.status,
        new_case_id=staged.new_case_id,
        text=None,
        text_dropped=True,
        attempts=reopen.attempts,
    )
    await ledger.leases.finish(claimed.lease, thread, Write(ended))
    by_worker = shape(server, staged.id)
    assert by_worker == by_stage
