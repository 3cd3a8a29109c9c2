"""From the settings to the rules that the domain and the ledger go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.domain.reopens import Policy
from service.ledger.durably import Wait
from service.ledger.retention import Terms
from service.sources.registry import KINDS

if TYPE_CHECKING:
    from service.settings import Settings

DAY_MS = 86_400_000


def policy(settings: Settings) -> Policy:
    """The rules of `[reopen]` and what goes with them, as the domain wants them."""
    reopen, acquire = settings.reopen, settings.acquire
    return Policy(
        max_attempts=reopen.max_attempts,
        max_age_ms=int(reopen.max_age_seconds * 1000),
        backoff_base_seconds=reopen.backoff_base_seconds,
        backoff_cap_seconds=reopen.backoff_cap_seconds,
        append_to_open_case=reopen.on_open_case == "append",
        hold_unknown=reopen.on_unknown == "hold",
        settle_ms=int(reopen.settle_seconds * 1000),
        timeout_ms=int(acquire.timeout_seconds * 1000),
        rate_per_second=acquire.rate_per_second,
        retry_share=acquire.retry_share,
        bulk_at_once=reopen.bulk_at_once,
        keep_text=settings.retention.keep_text,
    )


def wait(settings: Settings) -> Wait | None:
    """What `[redis]` asks of writes before anybody is told of them; None where Redis' answer is enough."""
    asked = settings.redis
    if not asked.wait_replicas and not asked.wait_aof:
        return None
    return Wait(asked.wait_replicas, asked.wait_aof, asked.wait_timeout_ms)


def terms(settings: Settings) -> Terms:
    """`[retention]`, and how long each source's helpdesk may repeat what it sent."""
    return Terms(
        done_ms=settings.retention.done_days * DAY_MS,
        dead_ms=settings.retention.dead_days * DAY_MS,
        repeats_ms={
            name: KINDS[source.kind].retry_window_seconds * 1000 for name, source in settings.sources.items()
        },
        looked_up=frozenset(name for name, source in settings.sources.items() if source.lookup == "email"),
    )
