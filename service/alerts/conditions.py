"""What is worth waking somebody: the overview's problems that last, and what needs a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.spoken import number

if TYPE_CHECKING:
    from service.watch import Seen

AFTER_SECONDS: Mapping[str, int] = {
    "no_worker": 30,
    "credentials_refused": 0,
    "acquire_failing": 300,
    "throttled": 300,
    "quarantined": 300,
    "oldest_waiting": 0,
    "source_silent": 0,
    "unbalanced": 60,
    "died": 0,
    "held": 3_600,
    "duplicate": 0,
    "redis_forgets": 600,
    "spooling": 120,
    "spool_refused": 0,
}
"""How long each has to last before anybody is told: what passes by itself in that time is no news."""
DIED_MINUTES = 15
"""Nothing has died for so long: it is over."""
MOST_DUPLICATES = 20
"""With more threads than these they are one condition."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now: `slug` and `subject` name it for as long as it lasts."""

    slug: str
    subject: str
    title: str
    mend: str
    link: str

    @property
    def key(self) -> str:
        return f"{self.slug}:{self.subject}"

    @property
    def after_ms(self) -> int:
        return AFTER_SECONDS[self.slug] * 1000


def conditions(
    seen: Seen, duplicate_threads: Sequence[int], spooled: tuple[int, int] = (0, 0)
) -> dict[str, Condition]:
    """By key, whatever is wrong now, however short it has lasted. `spooled`: how many deliveries wait on the
    disks of receivers, and how many of them Redis refuses.
    """
    found = [
        *(
            Condition(each.slug, each.subject, each.title, each.mend, each.link or "/")
            for each in seen.problems()
            if each.slug in AFTER_SECONDS
        ),
        *_of_people(seen),
        *_of_duplicates(duplicate_threads),
        *_of_redis(seen),
        *_of_spools(*spooled),
    ]
    return {each.key: each for each in found}


def _of_people(seen: Seen) -> Iterator[Condition]:
    died = sum(slot.total("dead") for slot in seen.minutes.slots[-DIED_MINUTES:])
    if died:
        words = "Acquire refused them, or they were given up. Mend the cause, then retry the group."
        title = f"{number(died)} died in the last {DIED_MINUTES} minutes"
        yield Condition("died", "", title, words, "/reopens?status=dead")
    held = seen.stats.by_status["held"]
    if held:
        words = "Say whose replies they are, or what came of the call: each page says what is missing."
        yield Condition(
            "held", "", f"{number(held)} held for a person for an hour", words, "/reopens?status=held"
        )


def _of_duplicates(threads: Sequence[int]) -> Iterator[Condition]:
    words = (
        "Acquire acted twice, or very late, for one reply. The thread's page shows the cause and the case."
    )
    if len(threads) > MOST_DUPLICATES:
        title = f"More than {MOST_DUPLICATES} threads with a duplicate"
        yield Condition("duplicate", "", title, words, "/threads")
        return
    for thread in threads:
        title = f"A duplicate in thread {thread}"
        yield Condition("duplicate", str(thread), title, words, f"/threads/{thread}")


def _of_redis(seen: Seen) -> Iterator[Condition]:
    if not seen.stats.account.durable:
        words = "Set appendfsync always, and with replicas [redis] wait_replicas (docs/durability.md)."
        yield Condition("redis_forgets", "", "Redis may forget what was answered", words, "/setup")


def _of_spools(deliveries: int, refused: int) -> Iterator[Condition]:
    if deliveries:
        words = (
            "They are answered already, and go on to Redis by themselves. Leave these disks where they are."
        )
        title = f"{number(deliveries)} deliveries wait on the disks of receivers"
        yield Condition("spooling", "", title, words, "/")
    if refused:
        words = "They are kept there and asked for again. The receiver's log says why (spool.refused)."
        title = f"Redis refuses {number(refused)} deliveries that were taken onto a disk"
        yield Condition("spool_refused", "", title, words, "/")
