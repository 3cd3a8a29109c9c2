"""Workers' care for one account, in a real Redis: for tests."""

from __future__ import annotations

from service.ledger.care import Care as SharedCare


def shared_care(ledger, rate=0.0, share=0.25):
    return SharedCare(ledger.scripts, rate_per_second=rate, retry_share=share)


async def redis_ms(connection):
    seconds, micros = await connection.time()
    return seconds * 1000 + micros // 1000


async def pause_is_over(connection):
    await connection.hset("reopener:breaker", "until_ms", 1)


async def breaker_state(ledger, connection):
    return (await ledger.counts.account(await redis_ms(connection))).breaker
