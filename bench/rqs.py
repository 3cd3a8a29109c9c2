"""RQ's own workers, as they are started from a shell, on the queue of the naive jobs (bench/naive.py)."""

from __future__ import annotations

import sys

POOL = 16
QUEUE_KEY, WORKERS_KEY = "rq:queue:naive", "rq:workers:naive"


def pool_command(redis_url: str) -> list[str]:
    options = ["--worker-class", "rq.worker.SimpleWorker", "--num-workers", str(POOL)]
    options += ["--logging-level", "WARNING"]
    return [sys.executable, "-m", "rq.cli", "worker-pool", *_rq_options(redis_url), *options, "naive"]


def worker_command(redis_url: str) -> list[str]:
    options = ["--logging_level", "WARNING"]
    return [sys.executable, "-m", "rq.cli", "worker", *_rq_options(redis_url), *options, "naive"]


def _rq_options(redis_url: str) -> list[str]:
    return ["--url", redis_url, "--serializer", "rq.serializers.JSONSerializer"]
