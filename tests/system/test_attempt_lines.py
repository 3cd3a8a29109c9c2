"""What a worker writes to its log of what it does: a line for each attempt, with ids and never with words."""

from __future__ import annotations

import json
from pathlib import Path

from tests.running import reply, until, whole_on

WORDS = "PRIVATE-WORDS-OF-A-CUSTOMER"


def test_each_attempt_leaves_one_line(tmp_path: Path, redis_url: str):
    """An attempt's line says how it ended and what became of its reopen, and holds nobody's words."""
    log = tmp_path / "workers.log"
    with whole_on(tmp_path, redis_url) as whole:
        whole.faults(
            {"kind": "drop_after", "on": "create", "count": 1},
            {"kind": "status", "on": "append", "status": 422, "body": f'{{"message": "No: {WORDS}"}}'},
        )
        made = whole.until(
            whole.deliver(reply(message=WORDS), event_id="one").json()["reopen_id"], "reopened"
        )
        dead = whole.until(whole.deliver(reply(message=WORDS), event_id="two").json()["reopen_id"], "dead")
        lines = until(lambda: told if len(told := _attempts(log)) == 2 else None)
    adopted, refused = lines
    assert adopted["error"].startswith("ConnectionEnded")
    common = {"source": "support", "thread_id": 1683, "attempt": 1}
    assert adopted.items() >= (common | {"reopen_id": made["id"], "outcome": "adopted"}).items()
    assert adopted.items() >= {"status": "reopened", "reason": None, "case_id": made["new_case_id"]}.items()
    assert refused.items() >= (common | {"reopen_id": dead["id"], "outcome": "refused"}).items()
    assert refused.items() >= {"status": "dead", "reason": "refused", "http_status": 422}.items()
    assert all(isinstance(line["ms"], int) for line in lines)
    assert '"event":"worker.started"' in log.read_text("utf-8")
    assert WORDS not in log.read_text("utf-8")


def _attempts(log: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return [line for line in lines if line["event"] == "attempt.ended"]
