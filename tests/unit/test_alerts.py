"""What people are told of, and how often: the pure part of alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import apprise
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts import child
from service.alerts.conditions import AFTER_SECONDS, MOST_DUPLICATES, Condition, conditions
from service.alerts.transitions import known_from, known_text, step
from service.ledger.counts import Account
from service.ledger.crew import Crew
from service.watch import Seen
from service.watch.silence import Silence
from tests.running import ROOT
from tests.unit.test_dashboard import NOW, minutes, stats

DURABLE = Account(paused=False, why=None, until_ms=None, detail=None, read_lag_ms=0, durable=True)
WELL = Seen(NOW, stats(account=DURABLE), Crew(1, 32), minutes({}), {}, ())


def seen(**more: object) -> Seen:
    """An account in which all is well but for this."""
    return replace(WELL, **more)


def numbers(**more: object) -> Seen:
    return seen(stats=replace(WELL.stats, **more))


@pytest.mark.parametrize(
    ("wrong", "slug"),
    [
        (seen(crew=Crew(0, 0)), "no_worker"),
        (numbers(account=replace(DURABLE, why="credentials_refused")), "credentials_refused"),
        (numbers(account=replace(DURABLE, why="acquire_failing", breaker="open")), "acquire_failing"),
        (numbers(account=replace(DURABLE, why="throttled", breaker="open")), "throttled"),
        (numbers(account=replace(DURABLE, why="quarantined", breaker="open")), "quarantined"),
        (numbers(oldest_waiting_seconds=901.0), "oldest_waiting"),
        (seen(silent=(Silence("support", NOW - 1, 9),)), "source_silent"),
        (numbers(accepted=1), "unbalanced"),
        (seen(minutes=minutes({"dead": 1}, {})), "died"),
        (numbers(accepted=1, by_status={**WELL.stats.by_status, "held": 1}), "held"),
        (numbers(account=replace(DURABLE, durable=False)), "redis_forgets"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_each_condition(wrong: Seen, slug: str):
    """Whatever is wrong is one condition, with words on what to do and where."""
    (found,) = conditions(wrong, []).values()
    assert found.slug == slug
    assert found.mend
    assert found.link.startswith("/")


def test_nothing_is_wrong():
    """A ledger in which all is well wakes nobody, nor does a pause, which somebody pressed."""
    assert conditions(WELL, []) == {}
    assert conditions(numbers(account=replace(DURABLE, paused=True, why="paused")), []) == {}


def test_what_waits_on_disks():
    """What a receiver's spool holds is told when it lasts, and what Redis refuses of it at once."""
    assert set(conditions(WELL, [], (3, 0))) == {"spooling:"}
    assert set(conditions(WELL, [], (3, 1))) == {"spooling:", "spool_refused:"}


def test_each_duplicate_is_one_condition():
    """A new duplicate is news beside an old one; very many are one condition."""
    assert set(conditions(WELL, [7, 8])) == {"duplicate:7", "duplicate:8"}
    assert set(conditions(WELL, range(MOST_DUPLICATES + 1))) == {"duplicate:"}


def test_what_passes_is_no_news():
    """A condition is told when it has lasted, and not at all where it ends before."""
    told = Told()
    told.look(0, "no_worker")
    told.look(29)
    told.look(30, "no_worker")
    told.look(59, "no_worker")
    assert told.notices == []
    told.look(60, "no_worker")
    assert told.notices == [("firing", "no_worker")]


def test_what_comes_and_goes_is_one_alert():
    """Gone for less than a minute is not over; over is told once, and coming again is news."""
    told = Told()
    told.look(0, "died")
    for second in range(30, 300, 30):
        told.look(second, *["died"] * (second % 60 == 0))
    assert told.notices == [("firing", "died")]
    told.look(329)
    assert told.notices == [("firing", "died")]
    told.look(330)
    told.look(1_000)
    assert told.notices == [("firing", "died"), ("resolved", "died")]
    told.look(2_000, "died")
    assert told.notices[2:] == [("firing", "died")]
    assert len(set(told.ids)) == 3


def test_one_of_several_sources():
    """Each source is an alert of its own."""
    told = Told()
    told.look(0, "source_silent:support")
    told.look(10, "source_silent:support", "source_silent:sales")
    assert told.notices == [("firing", "source_silent:support"), ("firing", "source_silent:sales")]


KEYS = st.sets(st.sampled_from(["no_worker", "died", "held", "source_silent:a", "source_silent:b"]))


@given(st.lists(st.tuples(st.integers(1, 4_000), KEYS), max_size=40))
def test_nobody_is_told_the_same_twice(history: list[tuple[int, set[str]]]):
    """Whatever happens, for each condition news of its beginning and of its end take turns."""
    told, second = Told(), 0
    for later, keys in history:
        second += later
        told.look(second, *keys)
        told.look(second, *keys)  # another process looks at the same moment
    for key in {key for _, key in told.notices}:
        states = [state for state, of in told.notices if of == key]
        assert states == (["firing", "resolved"] * len(states))[: len(states)]
    assert len(set(told.ids)) == len(told.ids)


class Told:
    """Looks one after another, and what people were told; what is known goes through its text each time."""

    def __init__(self) -> None:
        self.known = known_from("")
        self.notices: list[tuple[str, str]] = []
        self.ids: list[str] = []

    def look(self, second: int, *keys: str) -> None:
        found = {condition.key: condition for condition in named(keys)}
        after, notices = step(self.known, found, NOW + second * 1000)
        self.known = known_from(known_text(after))
        self.notices += [(n.state, f"{n.slug}:{n.subject}" if n.subject else n.slug) for n in notices]
        self.ids += [notice.id for notice in notices]


def named(keys: Iterable[str]) -> list[Condition]:
    parts = [key.partition(":") for key in keys]
    assert all(slug in AFTER_SECONDS for slug, _, _ in parts)
    return [Condition(slug, subject, f"{slug} is wrong", "Mend it.", "/") for slug, _, subject in parts]


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # a plugin of apprise's asks for it
@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("mailtos://ops:secret@example.com?to=ops@example.com", "mailtos"),
        ("https://hooks.example.com/reopener", "jsons"),
        ("http://hooks.example.com/reopener?x=1", "json"),
    ],
)
def test_which_service_an_address_is_of(url: str, service: str):
    """A service's own web address is that service; any other takes JSON."""
    told = dict.fromkeys(("id", "state", "slug", "subject", "link"), "x")
    target = child._target(apprise, url, told)
    assert target.url().startswith(f"{service}://")


def test_every_condition_is_in_the_manual():
    """docs/ops lists each that people may be told of."""
    manual = (ROOT / "docs" / "ops" / "README.md").read_text("utf-8")
    assert {slug for slug in AFTER_SECONDS if f"`{slug}`" not in manual} == set()


@pytest.mark.parametrize(
    "written",
    [
        "https://hooks.slack.com/services/T0001/B0002/{}",
        "mailtos://ops:{}@mail.example.com",
        "json://example.com/hook?token={}&x=1",
    ],
)
def test_no_part_of_an_address_is_repeated(written: str):
    """Whatever a library says of a failure, what could open the channel is taken out of it."""
    secret, quoted = "s3cr3t!Part", "s3cr3t%21Part"
    url = written.format(quoted)
    for part in (secret, quoted, url):
        told = child._without_secrets(f"refused by {part}: error=500", url)
        assert secret not in told
        assert quoted not in told
        assert "error=500" in told
