"""What one delivery costs before it is stored: verification and reading of a 5 kB Zendesk event.

    python -m bench.sources

Prints processor time per delivery (best of several rounds), and exits with 1 above the limit.
"""

from __future__ import annotations

import json
import sys
import timeit
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time

from service.settings import Secret, SourceSettings
from service.sources import KINDS, Request

LIMIT_MICROSECONDS = 100
BODY_BYTES = 5_000
DELIVERIES_PER_ROUND = 2_000
ROUNDS = 7
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def main() -> int:
    kind = KINDS["zendesk"]
    source = SourceSettings(name="bench", kind="zendesk", secrets=(Secret("a secret for measuring only"),))
    request = _delivery(source)

    def take() -> None:
        kind.verify(request, source, NOW)
        kind.challenge(request, source)
        [event] = kind.read(request, source)
        if event.drift is not None or event.author != "customer":
            raise ValueError(event.drift)

    rounds = timeit.repeat(take, timer=process_time, number=DELIVERIES_PER_ROUND, repeat=ROUNDS)
    microseconds = min(rounds) / DELIVERIES_PER_ROUND * 1e6
    print(
        f"zendesk, {len(request.body)} bytes: {microseconds:.1f} us of processor time per delivery"
        f" (limit {LIMIT_MICROSECONDS} us)"
    )
    return 0 if microseconds <= LIMIT_MICROSECONDS else 1


def _delivery(source: SourceSettings) -> Request:
    """A signed comment of the usual fields, with as many words as make the body 5 kB."""
    kind = KINDS["zendesk"]
    sample = kind.sample(source, url="https://example.com/webhooks/bench", now=NOW, event_id="1", message="")
    document = json.loads(sample.body)
    words = "It broke again, and here is what I saw: \u201cno signal\u201d.\n"
    missing = BODY_BYTES - len(sample.body)
    document["event"]["comment"]["body"] = (words * missing)[: missing - missing // 12]
    body = json.dumps(document, ensure_ascii=False).encode()
    return kind.scheme.sign(replace(sample, body=body), source, NOW, None)


if __name__ == "__main__":
    sys.exit(main())
