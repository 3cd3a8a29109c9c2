"""`python -m workers`: one worker process."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Never
from uuid import uuid4

from redis.exceptions import RedisError, ResponseError

from service import collector, logs
from service.clock import SystemClock
from service.connections import sync_client, words_of
from service.settings import SettingsError, load
from service.stopping import on_stop
from workers.engine import Engine
from workers.leaving import Leaving
from workers.pool import ConcurrentWorker
from workers.runtime import Runtime

log = logs.get_logger("workers")

SWITCH_SECONDS = 0.0005
"""How long one thread may keep another from running. RQ's loop and the engine are threads of one process: at
Python's 5 ms the engine waits so long, with a bell in hand, while RQ's registries are written.
"""


def main() -> int:
    """The status to end with; once it was at work, the process ends within."""
    arguments = _arguments()
    on_stop(_end)
    sys.setswitchinterval(SWITCH_SECONDS)
    logs.configure(sys.stderr)
    try:
        settings = load(os.environ, role="work", cwd=Path.cwd())
    except SettingsError as error:
        for fault in error.faults:
            print(f"reopener: {fault}", file=sys.stderr)
        return 2
    concurrency = arguments.concurrency or settings.concurrency
    clock, name = SystemClock(), f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
    engine = Engine(lambda: Runtime.open(settings, clock, concurrency=concurrency), name=name)
    engine.start()
    collector.leave_alone_what_is_there()
    log.info("worker.started", worker=name, concurrency=concurrency)
    redis_url = settings.redis_url.reveal() if settings.redis_url else ""
    leaving = Leaving(clock, timeout_seconds=settings.acquire.timeout_seconds)
    try:
        worker = ConcurrentWorker(
            sync_client(redis_url),
            engine,
            clock,
            name=name,
            concurrency=concurrency,
            leaving=leaving,
        )
        status = worker.run()
    except ResponseError as error:
        _say("Redis refuses us", error, "Correct REDIS_URL, or what Redis permits that user.")
        status = 1
    except RedisError as error:  # RQ asks at once; later on an outage is waited out
        _say("Redis does not answer", error, "Start it, or correct REDIS_URL.")
        status = 1
    # Not by returning: a process that was taken apart under the engine's running loop was seen to crash.
    leaving.end(status)
    return status


def _say(what: str, error: RedisError, mend: str) -> None:
    """In one piece: the engine's thread logs meanwhile, and may get between a line and its end."""
    sys.stderr.write(f"reopener: {what}: {words_of(error).rstrip('.')}. {mend}\n")


def _end(_number: int, _frame: FrameType | None) -> Never:
    """Asked to stop before anything is in flight: there is nothing to drain."""
    sys.exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m workers", description="Work reopens until SIGTERM asks to stop."
    )
    parser.add_argument(
        "--concurrency",
        type=_positive,
        metavar="N",
        help="calls to Acquire in flight (default: REOPENER_CONCURRENCY)",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
