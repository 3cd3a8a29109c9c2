"""The circuit breaker's decisions, from counts of calls and the time."""

from __future__ import annotations

import pytest

from service.domain.breaker import (
    FAILING,
    FIRST_PACE,
    LAST_PACE,
    PACE_MS,
    Breaker,
    Calls,
    after_calls,
    with_clock_set_back,
)

NOW = 1_000_000_000


def _calls(answered=0, failed=0, row=0, lately=(0, 0)):
    return Calls(answered, failed, row, *lately)


@pytest.mark.parametrize(
    ("calls", "opens"),
    [
        (_calls(failed=1, row=7, lately=(0, 7)), False),
        (_calls(failed=1, row=8, lately=(0, 8)), True),
        (_calls(failed=1, row=8, lately=(1_000, 8)), True),  # a sudden end, after a good time
        (_calls(failed=1, row=8, lately=(700, 308)), False),  # three in ten of a thousand fail: by chance
        (_calls(failed=1, row=11, lately=(700, 311)), False),
        (_calls(failed=1, row=12, lately=(700, 312)), True),
        (_calls(failed=1, row=8, lately=(15, 22)), True),  # too few to tell how often calls failed before
        (_calls(failed=1, row=30, lately=(0, 12)), True),  # a row that is longer than the window
        (_calls(answered=1, failed=1, row=1, lately=(9, 20)), False),  # too few to judge by
        (_calls(answered=1, failed=1, row=1, lately=(12, 18)), True),
        (_calls(answered=1, failed=1, row=1, lately=(13, 17)), False),
        (_calls(answered=50, lately=(50, 0)), False),
    ],
)
def test_when_it_opens(calls, opens):
    """It opens when calls fail one after another, or when six in ten of the latest thirty or more did."""
    after = after_calls(Breaker(), calls, NOW)
    assert after.state(NOW) == ("open" if opens else "closed")
    if opens:
        assert (after.why, after.until_ms, after.probes) == (FAILING, NOW + 1_000, True)


def test_pauses_grow_and_end_at_ten_seconds():
    """Each failed probe doubles the pause: 1, 2, 4, 8, and from then on 10 seconds."""
    breaker, now, pauses = Breaker(), NOW, []
    for _ in range(7):
        breaker = after_calls(breaker, _calls(failed=8, row=8, lately=(0, 5)), now)
        pauses.append((breaker.until_ms - now) / 1000)
        now = breaker.until_ms
        assert breaker.state(now) == "half_open"
    assert pauses == [1, 2, 4, 8, 10, 10, 10]


def test_a_probe_that_hung_is_part_of_the_pause():
    """The next probe goes out so long after the last one, and a second after that one's end at least."""
    breaker = Breaker("acquire_failing", NOW, probes=True, opened=4, changed_ms=NOW - 8_000)
    failed = _calls(failed=1, row=20)
    assert after_calls(breaker, failed, NOW + 3_000).until_ms == NOW + 10_000
    assert after_calls(breaker, failed, NOW + 9_900).until_ms == NOW + 10_900


def test_one_answer_closes_it():
    """An answer to a probe closes it; an answer that was on its way when it opened does not."""
    opened = after_calls(Breaker(), _calls(failed=8, row=8), NOW)
    assert after_calls(opened, _calls(answered=3), NOW + 10) is opened
    closed = after_calls(opened, _calls(answered=1), opened.until_ms)
    assert closed.state(opened.until_ms) == "closed"


def test_it_remembers_for_a_minute():
    """Opened again within a minute the pause goes on growing; after a steady minute it is a first one."""
    failing = _calls(failed=8, row=8)
    opened = after_calls(Breaker(), failing, NOW)
    closed = after_calls(opened, _calls(answered=1), NOW + 1_000)
    soon, late = NOW + 2_000, NOW + 62_000
    assert after_calls(closed, failing, soon).until_ms == soon + 2_000
    assert after_calls(closed, failing, late).until_ms == late + 1_000


def test_a_pause_that_was_asked_for_has_no_probes():
    """After a `Retry-After` everybody may go on, and no single call has to prove that it works first."""
    asked = Breaker(why="throttled", until_ms=NOW + 5_000)
    assert asked.state(NOW) == "open"
    assert asked.state(NOW + 5_000) == "closed"


def test_a_refused_key_is_probed():
    """A key that is refused keeps it open, and one answer later it is closed."""
    refused = Breaker(why="credentials_refused", until_ms=NOW + 5_000, probes=True)
    assert refused.state(NOW + 5_000) == "half_open"
    assert after_calls(refused, _calls(answered=1), NOW + 5_000).why == ""


def test_calls_come_back_gradually():
    """After a pause the pace doubles each second while calls are answered, until it is no limit."""
    opened = after_calls(Breaker(), _calls(failed=8, row=8), NOW)
    breaker, now = after_calls(opened, _calls(answered=1), opened.until_ms), opened.until_ms
    paces = [breaker.pace]
    well = _calls(answered=5, lately=(50, 10))
    while breaker.pace:
        assert after_calls(breaker, well, now + PACE_MS - 1) is breaker
        now += PACE_MS
        breaker = after_calls(breaker, well, now)
        paces.append(breaker.pace)
    assert paces == [FIRST_PACE, 16, 32, 64, 128, 256, LAST_PACE, 0]
    assert after_calls(breaker, well, now + 10 * PACE_MS) is breaker


def test_the_pace_holds_while_many_calls_fail():
    """Where nearly half of the latest calls fail, no more are made; and a breaker that opens starts anew."""
    paced = Breaker(changed_ms=NOW, pace=64, paced_ms=NOW)
    assert after_calls(paced, _calls(answered=1, failed=1, lately=(11, 9)), NOW + PACE_MS) is paced
    assert after_calls(paced, _calls(), NOW + PACE_MS) is paced
    opened = after_calls(paced, _calls(failed=8, row=8), NOW + PACE_MS)
    assert after_calls(opened, _calls(answered=1), opened.until_ms).pace == FIRST_PACE


def test_calls_come_back_gradually_after_a_retry_after():
    """What Acquire asked for is a pause like any other: the pace counts from its end."""
    asked = Breaker(why="throttled", until_ms=NOW + 60_000, pace=FIRST_PACE, paced_ms=NOW)
    well = _calls(answered=1, lately=(5, 0))
    assert after_calls(asked, well, NOW + 60_000 + PACE_MS - 1) is asked
    assert after_calls(asked, well, NOW + 60_000 + PACE_MS).pace == 2 * FIRST_PACE


HOUR_MS = 3_600_000


def test_a_pause_lasts_no_longer_where_the_clock_goes_back():
    """A pause from before the clock was set back lasts its length from now on, and only once."""
    stopped = Breaker("throttled", NOW + HOUR_MS + 5_000, changed_ms=NOW + HOUR_MS)
    now = with_clock_set_back(stopped, NOW)
    assert now.until_ms == NOW + 5_000
    assert with_clock_set_back(now, NOW + 4_000) == now
    assert with_clock_set_back(stopped, NOW + HOUR_MS) == stopped
    assert with_clock_set_back(stopped, NOW + HOUR_MS - 1_000) == stopped, "another machine's clock"


def test_the_pace_grows_where_the_clock_went_back():
    """Calls come back faster though the pace was set an hour ahead of a clock that was set back since."""
    paced = Breaker(changed_ms=NOW + HOUR_MS, pace=FIRST_PACE, paced_ms=NOW + HOUR_MS)
    after = after_calls(paced, _calls(answered=1, lately=(8, 0)), NOW)
    assert (after.pace, after.paced_ms) == (2 * FIRST_PACE, NOW)
