"""Redis' clock is set back: nothing that was to last for seconds lasts until it has caught up."""

from __future__ import annotations

import pytest
import redis.asyncio

from service.ledger import Ledger
from service.ledger.admission import Admission
from tests.contract.caring import redis_ms, shared_care

HOUR_MS = 3_600_000
QUARANTINE_MS = 25_000


async def test_a_quarantine_lasts_as_long_as_it_was_to_last(ledger: Ledger, connection: redis.asyncio.Redis):
    """A quarantine that began before the clock was set back ends its whole length later, no hour later."""
    await ledger.admissions.admit([Admission("a", "support", "a", "a", "", contact_id=7, thread_id=100)])
    began_ms = await redis_ms(connection) + HOUR_MS
    told = {"quarantine_until": began_ms + QUARANTINE_MS, "forgot_ms": began_ms}
    await connection.hset("reopener:account", mapping=told)
    before_ms = await redis_ms(connection)
    claimed = await ledger.leases.claim("a", bell=None, token="one")
    assert claimed.why == "quarantined"
    assert before_ms + QUARANTINE_MS <= claimed.until_ms <= await redis_ms(connection) + QUARANTINE_MS
    again = await ledger.leases.claim("a", bell=None, token="two")
    assert again.until_ms == claimed.until_ms
    assert await connection.hget("reopener:account", "forgot_ms") == str(began_ms).encode()


async def test_calls_from_before_are_not_the_latest(ledger: Ledger, connection: redis.asyncio.Redis):
    """What was answered an hour ahead says nothing of how Acquire does now."""
    shared = shared_care(ledger)
    began_ms = await redis_ms(connection)
    second = began_ms // 1000 + 3_600
    await connection.hset("reopener:calls", mapping={f"{second}:a": 500, f"{second}:f": 500})
    _, calls, _ = await shared.note(1, [began_ms] * 2)
    assert (calls.lately_answered, calls.lately_failed) == (1, 2)


async def test_an_outage_is_seen_though_the_breaker_changed_an_hour_ahead(
    ledger: Ledger, connection: redis.asyncio.Redis
):
    """When a call began tells nothing then, and all that fail count."""
    now_ms = await redis_ms(connection)
    await connection.hset("reopener:breaker", "changed_ms", now_ms + HOUR_MS)
    _, calls, _ = await shared_care(ledger).note(0, [now_ms] * 8)
    assert (calls.failed, calls.row) == (8, 8)


async def test_an_alert_is_sent_all_the_same(ledger: Ledger, connection: redis.asyncio.Redis):
    """A message that was to be tried again in seconds is tried before the clock has caught up."""
    assert await ledger.alerts.change(0, "{}", ["something is wrong"], ["hook"])
    assert await ledger.alerts.take("hook") is not None
    assert await ledger.alerts.take("hook") is None
    await connection.hset("reopener:alerts", "hold:hook", await redis_ms(connection) + HOUR_MS)
    assert await ledger.alerts.take("hook") is not None


@pytest.mark.parametrize("probes", ["0", "1"])
async def test_acquire_is_left_alone_for_as_long_as_it_was_to_be(
    ledger: Ledger, connection: redis.asyncio.Redis, probes: str
):
    """A pause from before the clock was set back ends its whole length later, without a probe being out."""
    await ledger.admissions.admit([Admission("a", "support", "a", "a", "", contact_id=7, thread_id=100)])
    ahead_ms = await redis_ms(connection) + HOUR_MS
    told = {"why": "throttled", "changed_ms": ahead_ms, "until_ms": ahead_ms + 5_000, "probes": probes}
    told |= {"probe_until_ms": ahead_ms + 12_000}
    await connection.hset("reopener:breaker", mapping=told)
    claimed = await ledger.leases.claim("a", bell=None, token="one")
    assert claimed.why == "throttled"
    assert claimed.until_ms <= await redis_ms(connection) + 5_000
    assert (await ledger.leases.claim("a", bell=None, token="two")).until_ms == claimed.until_ms
    assert await connection.hget("reopener:breaker", "probe_until_ms") is None


async def test_a_pause_from_then_is_no_pause_already(ledger: Ledger, connection: redis.asyncio.Redis):
    """A pause Acquire asks for now is not made as long as one that an hour ahead had begun."""
    now_ms = await redis_ms(connection)
    told = {"why": "throttled", "changed_ms": now_ms + HOUR_MS, "until_ms": now_ms + HOUR_MS + 5_000}
    await connection.hset("reopener:breaker", mapping=told)
    until_ms = await ledger.leases.stop_account("throttled", now_ms + 2_000, "", probes=False)
    assert until_ms <= await redis_ms(connection) + 5_000
