"""`make bench-workers`: our worker service beside RQ's own workers, in one run, in turn.

    drain    a backlog, Acquire answering in 300 ms, in 50 ms, and at once
    idle     from a webhook to the first byte of the first call
    away     10,000 waiting while Acquire is away for a minute
    deploys  20 times SIGTERM and start, under load

`--short` does a fraction of each, to see that it works: about three minutes for all.

RQ's workers run what one would write first (bench/naive.py): a look and a call, nothing stored, nothing
made safe. A reopen of ours is three calls, since its look asks two things side by side. Ratios count.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench.care import away, deploys
from bench.drain import drain
from bench.idle import idle

PARTS: dict[str, Callable[..., None]] = {"drain": drain, "idle": idle, "away": away, "deploys": deploys}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.workers")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="a fraction of each part")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name in arguments.parts or PARTS:
        PARTS[name](short=arguments.short)
    return 0


if __name__ == "__main__":
    sys.exit(main())
