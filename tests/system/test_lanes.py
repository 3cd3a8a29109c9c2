"""New replies are not stuck behind a backlog: told by the order in which Acquire gets to see them."""

from __future__ import annotations

import pytest

from bench import backlog, stack

WAITING = 3_000
CONCURRENCY = 4


def _until(holds, what, limit_seconds=30):
    stack.until(holds, what, limit_seconds=limit_seconds)


def _lose_all_bells(client):
    """As after an outage: all are due, and nobody has rung for them."""
    client.delete("rq:queue:reopener", "reopener:bells")
    client.zadd("reopener:due", dict.fromkeys(client.zrange("reopener:due", 0, -1), 1))


def _passed(stand_in, redis_url, numbers):
    """How many reopens Acquire saw between the arrival of these events and the last of theirs."""
    before = len(stand_in.told().order)
    for number in numbers:
        backlog.admit(redis_url, 1, first=number)
    threads = {backlog.FIRST_THREAD + number for number in numbers}
    _until(lambda: threads <= set(stand_in.told().order), "the new replies are through")
    return max(stand_in.told().order.index(thread) for thread in threads) - before


@pytest.mark.parametrize(("rate_per_second", "delay_seconds"), [(30, 0.0), (0, 0.2)])
def test_new_replies_pass_thousands_that_are_due(
    client, redis_url, stand_in, start, rate_per_second, delay_seconds
):
    """With thousands due at once, a new reply is among the next few that Acquire sees, whether the rate limit
    or Acquire itself is slow.
    """
    backlog.admit(redis_url, WAITING)
    _lose_all_bells(client)
    stand_in.control(delay=delay_seconds)
    start(concurrency=CONCURRENCY, rate_per_second=rate_per_second)
    _until(lambda: len(stand_in.told().order) > 12, "the backlog is being worked")
    for number in range(WAITING, WAITING + 3):
        assert _passed(stand_in, redis_url, [number]) <= 2 * CONCURRENCY
    before = len(stand_in.told().order)
    _until(lambda: len(stand_in.told().order) > before + 3, "and the backlog goes on")
    assert backlog.ended(client) < WAITING // 2, "there was a backlog all the while"


def test_a_new_reply_does_not_wait_for_the_bell_of_the_backlog(client, redis_url, stand_in, start):
    """Where a thread's bell stands in the backlog, the customer's next reply rings anew, for both."""
    backlog.admit(redis_url, WAITING)
    _lose_all_bells(client)
    start(concurrency=CONCURRENCY, rate_per_second=30)
    _until(lambda: client.llen("rq:queue:reopener-backlog") > 100, "the backlog has its bells")
    last = client.lrange("rq:queue:reopener-backlog", -1, -1)[0].decode()
    thread = int(client.hget(f"rq:job:{last}", "description").split()[-1])
    before = len(stand_in.told().order)
    backlog.admit(redis_url, 1, first=WAITING, thread=thread)
    _until(lambda: thread in stand_in.told().order, "the thread is through")
    assert stand_in.told().order.index(thread) - before <= 2 * CONCURRENCY
