"""RQ's registries, kept for many executions at a time: each step is one round trip for all of a batch.

What RQ's `prepare_execution` and `prepare_job_execution` write for one job, `Books.open` writes for several,
by the same methods of RQ's.
"""

from __future__ import annotations

import queue as queues
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue

from service.logs import get_logger

if TYPE_CHECKING:
    from rq.worker import BaseWorker

    from service.clock import Clock
    from service.queue import Lane
    from workers.popping import Dropped

BEAT_SECONDS = 30.0
TOGETHER_SECONDS = 0.005

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class Running:
    """A bell in work. `is_stopped`: a person asked RQ to stop its job."""

    job: Job
    lane: Lane
    answer: Future[int]
    execution: Execution | None = None
    is_stopped: bool = False

    @property
    def failure(self) -> str | None:
        """Why the bell failed, None where it was answered or handed back."""
        if self.is_stopped:
            return "stopped by a person; its thread is rung again"
        error = None if self.answer.cancelled() else self.answer.exception()
        return f"{type(error).__name__}: {error}" if error else None


class Books:
    """The books of one worker. Every method raises `RedisError` where Redis is away."""

    def __init__(self, worker: BaseWorker, queues: Mapping[Lane, Queue]) -> None:
        self._worker = worker
        self._queues = queues

    def open(self, bells: Collection[Running]) -> None:
        """Started now: registered as executions of this worker, and off the intermediate queue."""
        worker = self._worker
        with worker.connection.pipeline(transaction=False) as pipeline:
            for bell in bells:
                job, ttl = bell.job, worker.get_heartbeat_ttl(bell.job)
                bell.execution = Execution.create(job, ttl, pipeline=pipeline, worker_name=worker.name)
                job.prepare_for_execution(worker.name, pipeline=pipeline)
                pipeline.persist(job.key)
                pipeline.lrem(self._queues[bell.lane].intermediate_queue_key, 1, job.id)
            pipeline.execute()

    def beat(self, bells: Collection[Running]) -> None:
        """Show that these executions live: RQ takes those that do not beat for abandoned."""
        with self._worker.connection.pipeline(transaction=False) as pipeline:
            for bell in bells:
                if bell.execution is not None:
                    ttl = self._worker.get_heartbeat_ttl(bell.job)
                    bell.execution.heartbeat(bell.job.started_job_registry, ttl, pipeline=pipeline)
            pipeline.execute()

    def close(self, bells: Collection[Running]) -> None:
        """A bell that was answered is gone; one that failed is kept among RQ's failed jobs.

        RQ's own `Job.delete` asks for the job's status first, and raises where the job is gone.
        """
        failed = [bell for bell in bells if bell.failure is not None]
        with self._worker.connection.pipeline(transaction=False) as pipeline:
            for bell in bells:
                if bell not in failed:
                    self._worker.cleanup_execution(bell.job, pipeline=pipeline, execution=bell.execution)
                    pipeline.delete(bell.job.key)
            answered = len(bells) - len(failed)
            if answered:
                pipeline.hincrby(self._worker.key, "successful_job_count", answered)
            pipeline.execute()
        for bell in failed:
            self.fail(
                bell.job, str(bell.failure), bell.lane, execution=bell.execution, is_stopped=bell.is_stopped
            )

    def fail(
        self,
        job: Job,
        words: str,
        lane: Lane,
        *,
        execution: Execution | None = None,
        is_stopped: bool = False,
    ) -> None:
        """As RQ fails a job: people see it in its registry, and may requeue it."""
        log.error("bell.failed", job_id=job.id, error=words)
        self._worker._stopped_job_id = job.id if is_stopped else None  # noqa: SLF001 - RQ's own field for it
        self._worker.handle_job_failure(job, self._queues[lane], exc_string=words, execution=execution)

    def drop(self, dropped: Dropped) -> None:
        """Off the intermediate queue. What is no bell is failed as RQ fails a job; what is gone or newer than
        we are is left alone.
        """
        log.warning("job.dropped", job_id=dropped.job_id, reason=dropped.why)
        if dropped.stranger is not None:
            self.fail(dropped.stranger, dropped.why, dropped.lane)
        self._worker.connection.lrem(self._queues[dropped.lane].intermediate_queue_key, 1, dropped.job_id)


@dataclass(frozen=True, slots=True)
class _News:
    bell: Running
    has_ended: bool


class Bookkeeper:
    """Keeps the books beside the worker's loop, on a thread of its own. `on_ended` is told how many bells of
    new replies and how many of the backlog ended.

    What happens within a few milliseconds is written together, and after them: bells that just came have the
    processor to themselves until their first call is out.
    """

    def __init__(self, books: Books, clock: Clock, *, on_ended: Callable[[int, int], None]) -> None:
        self._books = books
        self._clock = clock
        self._on_ended = on_ended
        self._news: queues.SimpleQueue[_News | None] = queues.SimpleQueue()
        self._running: set[Running] = set()
        self._thread = threading.Thread(target=self._keep, name="bookkeeper", daemon=True)
        self._beat_at = clock.monotonic()

    def start(self) -> None:
        self._thread.start()

    def take(self, bells: Collection[Running]) -> None:
        """Bells that are in work from now on. Where Redis is away just then, RQ does not know of them."""
        self._running.update(bells)
        for bell in bells:
            self._news.put(_News(bell, has_ended=False))
            bell.answer.add_done_callback(partial(self._note_end, bell))

    def running(self) -> list[Running]:
        return list(self._running.copy())

    def finish(self, patience_seconds: float) -> None:
        """Write what is left to write; to be called when nothing is in work any more."""
        self._news.put(None)
        self._thread.join(patience_seconds)

    def _note_end(self, bell: Running, _: object) -> None:
        self._news.put(_News(bell, has_ended=True))

    def _keep(self) -> None:
        goes_on = True
        while goes_on:
            together = self._together()
            news = [each for each in together if each is not None]
            goes_on = len(news) == len(together)
            begun = [each.bell for each in news if not each.has_ended]
            ended = [each.bell for each in news if each.has_ended]
            with _redis_may_be_away(len(begun)):
                self._books.open(begun)
            with _redis_may_be_away(len(ended)):
                self._books.close(ended)
            self._running.difference_update(ended)
            # Whatever RQ found missing (its keys may have been flushed), the slots have to come back.
            of_backlog = sum(bell.lane == "backlog" for bell in ended)
            self._on_ended(len(ended) - of_backlog, of_backlog)
            if self._clock.monotonic() - self._beat_at >= BEAT_SECONDS:
                self._beat_at = self._clock.monotonic()
                with _redis_may_be_away(len(self._running)):
                    self._books.beat(self.running())

    def _together(self) -> list[_News | None]:
        try:
            news = [self._news.get(timeout=BEAT_SECONDS)]
        except queues.Empty:
            return []
        time.sleep(TOGETHER_SECONDS)
        while not self._news.empty():
            news.append(self._news.get_nowait())
        return news


@contextmanager
def _redis_may_be_away(count: int) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.warning("books.redis_away", error=type(error).__name__, count=count)
    except Exception:
        log.exception("books.fault", count=count)
