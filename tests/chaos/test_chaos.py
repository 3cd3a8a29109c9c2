"""The short form of the chaos run; `make chaos` is the long one."""

from __future__ import annotations

import random
from pathlib import Path

from tests.chaos.__main__ import table
from tests.chaos.run import run


async def test_every_event_ends_once_while_everything_is_killed(tmp_path: Path):
    """Every accepted event ends in exactly one effect or visible status, whatever is killed meanwhile."""
    seed = random.SystemRandom().randrange(1_000_000)
    result = await run(tmp_path, events=120, threads=30, seed=seed, spread_seconds=14, limit_seconds=150)
    assert result.verdict.held, f"seed {seed}\n{table(result)}"
    assert sum(result.made.values()) >= 2, "too little trouble to prove anything"
