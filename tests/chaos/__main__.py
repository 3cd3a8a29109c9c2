"""`python -m tests.chaos`: the chaos run, told as a table; exit status 1 where an invariant broke."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Result, run


def main() -> int:
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    print(f"chaos: {arguments.events} events over {arguments.threads} threads, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="reopener-chaos-") as folder:
        result = asyncio.run(
            run(
                Path(folder),
                events=arguments.events,
                threads=arguments.threads,
                seed=seed,
                spread_seconds=arguments.spread,
                limit_seconds=arguments.minutes * 60,
                tell=lambda line: print(f"  {line}", flush=True),
            )
        )
    print(table(result))
    print(f"seed {seed}: " + ("the invariants held" if result.verdict.held else "AN INVARIANT BROKE"))
    return 0 if result.verdict.held else 1


def table(result: Result) -> str:
    """What went wrong around it, and what came of the events."""
    verdict = result.verdict
    rows = [(name, count) for name, count in sorted(result.made.items())]
    rows += [("", ""), ("deliveries", result.deliveries), ("of them not answered with 200", result.refused)]
    rows += [("events accepted", verdict.accepted)]
    rows += [(f"  {status}", count) for status, count in verdict.by_status.items() if count]
    rows += [("", "")]
    rows += [("lost", len(verdict.lost)), ("doubled", len(verdict.doubled)), ("stuck", len(verdict.stuck))]
    rows += [("given up (dead, held, skipped)", len(verdict.given_up))]
    rows += [("threads out of order", len(verdict.disorder)), ("wrong case id", len(verdict.unlike))]
    rows += [("answered with two reopen ids", len(verdict.ids_differ))]
    rows += [("accounts balance", "yes" if verdict.balanced else "NO")]
    rows += [("", ""), ("seconds to accept", f"{result.send_seconds:.0f}")]
    rows += [("seconds until nothing waits", f"{result.drain_seconds:.0f}")]
    named = [(name, ids) for name, ids in (("lost", verdict.lost), ("doubled", verdict.doubled)) if ids]
    named += [(name, ids) for name, ids in (("stuck", verdict.stuck), ("given up", verdict.given_up)) if ids]
    return "\n".join(
        [f"  {name:<40}{count:>8}" for name, count in rows] + [f"  {name}: {ids[:10]}" for name, ids in named]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=1_000)
    parser.add_argument("--seed", type=int, help="chosen and printed where it is not given")
    parser.add_argument("--spread", type=float, default=120, help="seconds over which events are sent")
    parser.add_argument("--minutes", type=float, default=20, help="give up after so many")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
