"""`python -m tests.simulation`: a minute of histories, or one of them told step by step."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from tests.simulation.batch import Batch, run
from tests.simulation.mutant import told_on
from tests.simulation.mutants import MUTANTS
from tests.simulation.play import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell this one history step by step")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--first", type=int, default=0, help="the number of the first history")
    parser.add_argument("--mutants", action="store_true", help="take each rule out, and say what tells on it")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.seed is not None:
        return _tell(options.seed)
    if options.mutants:
        return _tell_on_mutants()
    batch = run(seconds=options.seconds, processes=options.processes, first=options.first)
    _print(batch, options.seconds)
    return 1 if batch.violations else 0


def _tell(seed: int) -> int:
    played = play(seed, tells=True)
    print(f"history {seed}: {played.scenario}")
    print(*played.story, sep="\n")
    print(f"struck: {', '.join(map(str, played.struck)) or 'nothing'}")
    for cause in played.causes:
        print(f"nobody can rule this out: {cause}")
    for violation in played.violations:
        print(f"VIOLATION {violation}")
    print(f"{len(played.violations)} violations")
    return 1 if played.violations else 0


def _tell_on_mutants() -> int:
    unnoticed = 0
    for mutant in MUTANTS:
        played = told_on(mutant)
        unnoticed += played is None
        print(f"without {mutant}")
        if played is None:
            print("  NOTHING TELLS ON IT")
        else:
            print(f"  {played.scenario}; struck: {', '.join(map(str, played.struck)) or 'nothing'}")
            print(*(f"  {violation}" for violation in played.violations), sep="\n")
    print(f"{len(MUTANTS)} taken out, {unnoticed} unnoticed")
    return 1 if unnoticed else 0


def _print(batch: Batch, seconds: float) -> None:
    print(f"{'scenario':<46} {'histories':>9} {'steps cut':>9}")
    for name, count in batch.histories.items():
        print(f"{name:<46} {count:>9} {len(batch.cut.get(name, ())):>9}")
    print(f"\n{'fault':<46} {'struck':>9}")
    for name, count in batch.struck.most_common():
        print(f"{name:<46} {count:>9}")
    print("\nwhat nobody can rule out (docs/protocol.md):")
    for cause, count in batch.causes.most_common():
        print(f"  {cause:<44} {count:>9}")
    for played in batch.found:
        print(f"\nVIOLATION in history {played.seed} ({played.scenario}): make simulate SEED={played.seed}")
        print(f"  struck: {', '.join(map(str, played.struck))}")
        print(*(f"  {violation}" for violation in played.violations), sep="\n")
    print(
        f"\n{batch.count} histories of {batch.steps / max(1, batch.count):.0f} steps in {seconds:g} s,"
        f" {batch.violations} with violations"
    )


if __name__ == "__main__":
    sys.exit(main())
