"""One line in the log for each attempt that ended, with ids and slugs: what Acquire said is in the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.domain.reopens import Attempt, Reopen

log = get_logger(__name__)


def tell(reopen: Reopen, ended: Iterable[Attempt]) -> None:
    """Write the attempts that ended in this claim, beside what the reopen is now."""
    for attempt in ended:
        log.info(
            "attempt.ended",
            reopen_id=reopen.id,
            source=reopen.source,
            thread_id=reopen.thread_id,
            attempt=attempt.number,
            outcome=attempt.outcome.value if attempt.outcome else None,
            http_status=attempt.http_status,
            # Without a status the words are ours; with one they are Acquire's, and may be the customer's.
            error=attempt.error if attempt.http_status is None else None,
            ms=(attempt.ended_ms or attempt.started_ms) - attempt.started_ms,
            status=reopen.status.value,
            reason=reopen.reason,
            case_id=reopen.new_case_id,
        )
