"""What is wrong now, worst first, each with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from service.ledger.series import BAD, GOOD, IN
from service.spoken import lasting, number
from service.words import says

if TYPE_CHECKING:
    from service.ledger.counts import Stats
    from service.ledger.series import Series
    from service.watch.silence import Silence

GROWING_FROM = 50
"""A queue that is shorter is no queue."""
GROWING_MINUTES = 10
OLD_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Problem:
    """`mend` says what to do; `link` leads to where it is seen or done. `slug` names it, with `subject` where
    there may be several: the same for as long as it lasts. `said` is what Acquire said of it: a customer's
    words may be in that, so it is shown, and neither kept nor sent to where nobody can erase it.
    """

    severity: Literal["bad", "wait"]
    title: str
    mend: str
    link: str | None = None
    slug: str = ""
    subject: str = ""
    said: str | None = None


def problems(
    numbers: Stats, *, workers: int, series: Series, silent: Sequence[Silence], now_ms: int
) -> list[Problem]:
    """`series` are the minutes of the last hour."""
    found = [
        *_of_workers(numbers, workers),
        *_of_account(numbers, now_ms),
        *_of_queue(numbers, series),
        *(_of_silence(each, now_ms) for each in silent),
        *_of_ledger(numbers),
    ]
    return sorted(found, key=lambda problem: problem.severity == "wait")


def _of_workers(numbers: Stats, workers: int) -> Iterator[Problem]:
    if not workers:
        waiting = f" {number(numbers.waiting)} wait." if numbers.waiting else ""
        yield Problem(
            "bad",
            "No worker is running",
            f"Nothing is sent to Acquire. Start one: reopener work.{waiting}",
            slug="no_worker",
        )


def _of_account(numbers: Stats, now_ms: int) -> Iterator[Problem]:
    account = numbers.account
    if account.paused:
        by = f" by {account.paused_by}" if account.paused_by else ""
        words = "Webhooks are taken all the while. Resume below when it may go on."
        yield Problem("wait", f"Paused{by}", words, slug="paused")
    elif account.why:
        still = (account.until_ms or now_ms) - now_ms
        yield Problem(
            "bad" if account.why == "credentials_refused" else "wait",
            f"Nothing is sent: {account.why.replace('_', ' ')}",
            f"{says(account.why)} Asked again in {lasting(max(1, still / 1000))}.",
            slug=account.why,
            said=account.detail,
        )


def _of_queue(numbers: Stats, series: Series) -> Iterator[Problem]:
    latest = series.slots[-GROWING_MINUTES:]
    came = sum(slot.total(*IN) for slot in latest)
    went = sum(slot.total(*GOOD, *BAD, "cancelled") for slot in latest)
    if numbers.waiting >= GROWING_FROM and came > went:
        words = f"In the last {GROWING_MINUTES} minutes {number(came)} came in and {number(went)} went out."
        yield Problem(
            "wait",
            f"The queue grows: {number(numbers.waiting)} wait",
            words,
            "/reopens?status=queued",
            "queue_grows",
        )
    if numbers.oldest_waiting_seconds > OLD_SECONDS:
        yield Problem(
            "wait",
            f"The oldest has waited for {lasting(numbers.oldest_waiting_seconds)}",
            "Look at what is retrying or checking, and why.",
            "/reopens?status=retrying" if numbers.by_status["retrying"] else "/reopens?status=checking",
            slug="oldest_waiting",
        )


def _of_silence(silence: Silence, now_ms: int) -> Problem:
    ago = lasting((now_ms - silence.heard_ms) / 1000)
    return Problem(
        "bad",
        f"{silence.source} is silent",
        f"Nothing came for {ago}; in the same hours before there were {number(silence.usual)} deliveries."
        " Look in the helpdesk whether its webhook is still switched on.",
        "/setup",
        slug="source_silent",
        subject=silence.source,
    )


def _of_ledger(numbers: Stats) -> Iterator[Problem]:
    if not numbers.balanced:
        yield Problem(
            "bad",
            "The numbers do not add up",
            "Accepted differs from the sum of all statuses: a fault of ours, please report it.",
            slug="unbalanced",
        )
    if numbers.duplicates:
        yield Problem(
            "bad",
            f"{number(numbers.duplicates)} thread{'s' * (numbers.duplicates != 1)} with a duplicate",
            "Acquire acted twice for one reply. Each thread's page shows the cause.",
            "/threads",
            slug="duplicates",
        )
