"""What was said in a claim's calls, kept for people where its reopen does not end well.

Nothing is redacted or written while all goes well: an exchange is noted as it is, and forgotten when its
reopen is done. What is to be kept is written every two seconds; a worker that is killed takes it along.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from service.domain.reopens import DONE
from service.ledger.bodies import Exchange
from workers.acquire.wire import Answer
from workers.redact import LARGEST_READ_BYTES, answer_told, request_told

if TYPE_CHECKING:
    from service.domain.reopens import Call, Reopen
    from service.ledger.bodies import Bodies
    from workers.acquire.compose import Request
    from workers.acquire.wire import Result

MOST_IN_A_CLAIM = 9
MOST_WAITING = 500


class Kept:
    """What this process has to write. One per process."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, list[Exchange]]] = deque(maxlen=MOST_WAITING)

    def add(self, reopen_id: str, exchanges: list[Exchange]) -> None:
        self._waiting.append((reopen_id, exchanges))

    async def tell(self, bodies: Bodies) -> None:
        """Write what waits; what could not be written is lost."""
        while self._waiting:
            reopen_id, exchanges = self._waiting.popleft()
            await bodies.keep(reopen_id, exchanges)


class Exchanges:
    """Those of one claim, whose heads are worked one after another."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._noted: deque[tuple[Call, Request, Result]] = deque(maxlen=MOST_IN_A_CLAIM)

    def note(self, call: Call, request: Request, result: Result) -> None:
        if isinstance(result, Answer) and len(result.body) > LARGEST_READ_BYTES:
            result = Answer(result.http_status, result.body[: LARGEST_READ_BYTES + 1], whole=False)
        self._noted.append((call, request, result))

    def ended(self, reopen: Reopen) -> None:
        """A head has come to an end, for now or for good."""
        noted, self._noted = self._noted, deque(maxlen=MOST_IN_A_CLAIM)
        if reopen.status in DONE or not noted:
            return
        self._kept.add(reopen.id, [_told(*each) for each in noted])


def _told(call: Call, request: Request, result: Result) -> Exchange:
    return Exchange(
        name=call.name,
        started_ms=call.started_ms,
        duration_ms=call.duration_ms,
        http_status=call.http_status,
        error=call.error,
        timings_ms=call.timings_ms,
        request=request_told(request),
        answer=answer_told(result),
    )
