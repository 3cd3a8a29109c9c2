"""An RQ worker that answers many bells at a time, from RQ's own queue and registries.

RQ's loop runs in the main thread: it pops a bell (BLMOVE), registers its execution, and hands it to the
engine. What is finished is taken off RQ's registries in batches by a thread of its own. `rq info` shows the
worker and its executions, `rq suspend`, the shutdown and stop-job commands work as with any RQ worker.

It leans on these internals of RQ 3.0, which tests/contract/test_rq_internals.py watches: `BaseWorker.work`
calls `dequeue_job_and_maintain_ttl` and `execute_job` in turn and `teardown` at the end;
`dequeue_job_and_maintain_ttl` returns a job and its queue; `prepare_execution` and `prepare_job_execution`
register a job as started and take it off the intermediate queue; `cleanup_execution` takes it off again;
`request_stop` raises `StopRequested` unless the state is busy; `get_state`, `executions`, `_stop_requested`.
"""

from __future__ import annotations

import queue as queues
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus

from service.logs import get_logger
from service.queue import JOB_FUNCTION, JOB_TIMEOUT_SECONDS, QUEUE_NAME

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline
    from rq.executions import Execution

    from service.clock import Clock
    from workers.engine import Engine

WORKER_TTL_SECONDS = 60
HEARTBEAT_SECONDS = 10.0
EXECUTION_BEAT_SECONDS = 30.0
SUSPENSION_SECONDS = 1.0
DRAIN_SECONDS = 0.1
"""What a drain leaves of the second after the longest call, to take leave of Redis."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    queue: Queue
    execution: Execution
    answer: Future[int]


class ConcurrentWorker(BaseWorker):
    """Up to `concurrency` bells at a time; SIGTERM, SIGINT and SIGHUP drain."""

    def __init__(
        self,
        connection: Redis,
        engine: Engine,
        clock: Clock,
        *,
        name: str,
        concurrency: int,
        patience_seconds: float,
    ) -> None:
        """`patience_seconds` is how long a drain waits for what is in flight before it hands it back."""
        super().__init__(
            [QUEUE_NAME],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
        self.log_result_lifespan = False
        self._engine = engine
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._slots = threading.BoundedSemaphore(concurrency)
        self._ended: queues.SimpleQueue[_Running | None] = queues.SimpleQueue()
        self._bookkeeper = threading.Thread(target=self._keep_books, name="bookkeeper", daemon=True)
        self._running: dict[str, _Running] = {}
        self._beat_at = self._asked_at = float("-inf")

    def run(self) -> None:
        """Work until a signal asks to stop."""
        self._bookkeeper.start()
        self.work(logging_level=None)

    # What RQ's loop calls.

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next bell, as soon as there is room for it: what is not popped, others may take."""
        self.set_state(WorkerStatus.IDLE)
        self._slots.acquire()
        popped = None
        try:
            popped = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
        finally:
            if popped is None:
                self._slots.release()
        return popped

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Hand the bell to the engine, and return at once. Where Redis goes away meanwhile the bell is lost,
        and the sweeper rings again.
        """
        try:
            self._hand_over(job, queue)
        except RedisError as error:
            self._slots.release()
            log.warning("bell.lost", job_id=job.id, error=type(error).__name__)

    def _hand_over(self, job: Job, queue: Queue) -> None:
        self.set_state(WorkerStatus.BUSY)
        execution = self.prepare_execution(job)
        self.prepare_job_execution(job, remove_from_intermediate_queue=True)
        if job.func_name != JOB_FUNCTION:
            log.error("job.unknown", job_id=job.id, function=job.func_name)
        name, bell = (str(argument) for argument in job.args)
        limit_seconds = float(job.timeout or JOB_TIMEOUT_SECONDS)
        answer = self._engine.submit(name, bell, limit_seconds=limit_seconds)
        running = _Running(job, queue, execution, answer)
        self._running[execution.id] = running
        answer.add_done_callback(lambda _: self._ended.put(running))

    def teardown(self) -> None:
        """Drain the engine, close the books, and sign off with RQ."""
        self._engine.drain(self._patience_seconds)
        self._ended.put(None)
        self._bookkeeper.join(DRAIN_SECONDS * 5)
        try:
            super().teardown()
        except RedisError as error:
            log.warning("worker.not_signed_off", error=type(error).__name__)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        log.info("worker.drains", signal=signal.Signals(signum).name, in_flight=len(self._running))
        super().request_stop(signum, frame)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A second signal: the drain is bounded anyway."""

    def request_stop_execution(self, execution_id: str) -> None:
        """RQ's stop command: the bell's thread is handed back, and the sweeper rings again."""
        running = self._running.get(execution_id)
        if running is not None:
            running.answer.cancel()

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.signal(signal.SIGHUP, self.request_stop)

    # RQ asks more often than there is news, and its loop ends where Redis is away just then.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        now = self._clock.monotonic()
        if pipeline is None and now - self._beat_at < HEARTBEAT_SECONDS:
            return
        self._beat_at = now
        with _redis_may_be_away("heartbeat"):
            if not self.connection.exists(self.key):
                self.register_birth()
            super().heartbeat(timeout, pipeline=pipeline)

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - RQ's signature
        now = self._clock.monotonic()
        if now - self._asked_at >= SUSPENSION_SECONDS:
            self._asked_at = now
            with _redis_may_be_away("suspension"):
                super().check_for_suspension(burst)

    def run_maintenance_tasks(self) -> None:
        with _redis_may_be_away("maintenance"):
            super().run_maintenance_tasks()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        if state != self.get_state():
            with _redis_may_be_away("state"):
                super().set_state(state, pipeline)

    def procline(self, message: str) -> None:
        """The process keeps its name."""

    # The books: executions that ended leave RQ's registries.

    def _keep_books(self) -> None:
        while True:
            batch = self._batch()
            ended = [running for running in batch if running is not None]
            try:
                self._close(ended)
            except RedisError as error:
                log.warning("books.redis_away", error=type(error).__name__, count=len(ended))
            except Exception:
                # Whatever RQ finds missing (its keys may have been flushed), the slots have to come back.
                log.exception("books.fault")
            for running in ended:
                self._running.pop(running.execution.id, None)
                self.executions.pop(running.execution.id, None)
                self._slots.release()
            if len(ended) < len(batch):
                return

    def _batch(self) -> list[_Running | None]:
        batch = [self._ended.get()]
        while not self._ended.empty():
            batch.append(self._ended.get_nowait())
        return batch

    def _close(self, ended: list[_Running]) -> None:
        """In one round trip: a bell that was answered is gone, one that failed is kept for people to see.

        RQ's own `Job.delete` asks for the job's status first, and raises where the job is gone.
        """
        failed = [running for running in ended if _error_of(running.answer) is not None]
        with self.connection.pipeline(transaction=False) as pipeline:
            for running in ended:
                self.cleanup_execution(running.job, pipeline=pipeline, execution=running.execution)
                if running not in failed:
                    pipeline.delete(running.job.key)
                    self.increment_successful_job_count(pipeline=pipeline)
            pipeline.execute()
        for running in failed:
            error = _error_of(running.answer)
            log.error("bell.failed", job_id=running.job.id, error=type(error).__name__)
            running.job.set_status(JobStatus.FAILED)
            running.queue.failed_job_registry.add(
                running.job, ttl=running.job.failure_ttl, exc_string=f"{type(error).__name__}: {error}"
            )


@contextmanager
def _redis_may_be_away(step: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.warning("worker.redis_away", step=step, error=type(error).__name__)


def _error_of(answer: Future[int]) -> BaseException | None:
    if answer.cancelled():
        return None
    return answer.exception()
