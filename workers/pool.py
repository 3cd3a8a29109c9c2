"""An RQ worker that answers many bells at a time, from RQ's own queues and registries.

RQ's loop runs in the main thread. The engine, a thread with an event loop, pops bells for it (`Popper`) and
answers them; their executions are registered (`Books`), and what is finished is taken off RQ's registries in
batches, by a thread of its own.
`rq info` shows the worker and its executions; `rq suspend`, the shutdown, stop-job and stop-execution
commands work as with any RQ worker. A job in our queue that is none of ours is failed, and harms nobody.

The three files lean on these internals of RQ 3.0, which tests/contract/test_rq_internals.py watches:

    BaseWorker.work   calls check_for_suspension, run_maintenance_tasks, dequeue_job_and_maintain_ttl
                      and execute_job in turn, ends where the third returns None, and calls teardown then
    BaseWorker        connection, connection_timeout, queues, get_state, set_state, heartbeat,
                      register_birth, serialize, should_run_maintenance_tasks, get_heartbeat_ttl,
                      cleanup_execution, handle_job_failure, handle_payload, request_stop,
                      request_stop_execution, _install_signal_handlers, _stop_requested,
                      _stopped_job_id, unsubscribe
    Queue             key, intermediate_queue_key: what is popped waits there until its execution stands
    Job               key_for, restore, prepare_for_execution, started_job_registry, key
    Execution         create, heartbeat
    WORKERS_BY_QUEUE_KEY, the set of a queue's workers
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from rq.command import parse_payload
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from service.connections import PATIENT_SECONDS
from service.logs import get_logger
from service.queue import CONCURRENCY_FIELD, QUEUE_NAME, QUEUE_NAMES
from service.stopping import on_stop
from workers import leaving
from workers.books import Bookkeeper, Books, Running
from workers.popping import Dropped, Popped, Popper
from workers.slots import Slots

if TYPE_CHECKING:
    from concurrent.futures import Future

    from redis import Redis
    from redis.client import Pipeline
    from rq.job import Job
    from rq.queue import Queue

    from service.clock import Clock
    from service.queue import Lane, Ring
    from workers.engine import Engine
    from workers.leaving import Leaving

WORKER_TTL_SECONDS = 60
SUSPENSION_SECONDS = 1.0
POP_SECONDS = 0.5
"""How long a pop waits at Redis, and so how long an idle worker may take to heed a signal."""
AWAY_STEP_SECONDS = 0.1
LONGEST_AWAY_SECONDS = 5.0

log = get_logger(__name__)


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
        leaving: Leaving,
    ) -> None:
        super().__init__(
            list(QUEUE_NAMES.values()),
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
        self._engine = engine
        self._clock = clock
        self._leaving = leaving
        self._concurrency = concurrency
        self._slots = Slots(concurrency)
        queues = dict(zip(QUEUE_NAMES, self.queues, strict=True))
        self._books = Books(self, queues)
        self._popper = Popper(engine.connection, queues, self._submit, clock)
        self._bookkeeper = Bookkeeper(self._books, clock, on_ended=self._slots.give_back)
        self._bells: list[Popped] = []
        self._asked_at = float("-inf")

    def run(self) -> int:
        """Work until a signal asks to stop: 0 then, and 1 where RQ's loop or the engine ended by itself."""
        self._install_signal_handlers()  # RQ does so after others can see the worker, and signal it
        self._bookkeeper.start()
        self.work(logging_level=None)
        return 0 if self._stop_requested else 1

    @property
    def connection_timeout(self) -> int:
        """So long RQ lets a command hang, in seconds. RQ's own would be 55: where the master's machine has
        died without a word, nothing would be popped for that long.
        """
        return int(PATIENT_SECONDS)

    # What RQ's loop calls.

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002 - RQ's signature
        max_idle_time: int | None = None,  # noqa: ARG002 - as above
    ) -> tuple[Job, Queue] | None:
        """The next bells, as soon as there is room: what is not popped, others may take. None: stop."""
        away_seconds = 0.0
        while not self._stop_requested and self._engine.is_alive:
            try:
                self._look_after_itself()
                self._bells = self._pop()
                away_seconds = 0.0
            except RedisError as error:
                away_seconds = min(LONGEST_AWAY_SECONDS, 2 * away_seconds + POP_SECONDS)
                log.warning("worker.redis_away", step="pop", error=type(error).__name__)
                self._wait(away_seconds)
                continue
            if self._bells:
                return self._bells[0].job, self.queues[0]
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:  # noqa: ARG002 - one of those that were popped
        """The bells are in work: RQ is told so, and this returns at once."""
        self._bookkeeper.take([Running(bell.job, bell.lane, bell.answer) for bell in self._bells])
        self.set_state(WorkerStatus.BUSY)

    def teardown(self) -> None:
        """Drain the engine, close the books, and sign off with RQ (workers/leaving.py)."""
        self._leave()
        log.info("worker.drains", in_flight=len(self._bookkeeper.running()))
        self._engine.drain(self._leaving)
        self._bookkeeper.finish(self._leaving.left(leaving.BOOKS_CLOSE_SECONDS))
        with _redis_may_be_away("teardown"):
            super().teardown()

    def unsubscribe(self) -> None:
        """Right after this the process ends, and its connections with it: RQ's own waits for the thread that
        listens for commands, for up to a second.
        """

    # Orders: signals, and RQ's commands.

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """A flag and nothing else: RQ's own raises wherever the main thread is, and a bell just popped would
        be lost. A second signal changes nothing, since the drain is bounded anyway.
        """
        del signum, frame
        self._leave()
        self._stop_requested = True

    def _leave(self) -> None:
        self._leaving.begin()
        self._engine.take_no_more(self._leaving.last_begin_seconds)

    def request_stop_execution(self, execution_id: str) -> None:
        """RQ's stop command: the bell's thread is handed back, and the sweeper rings again."""
        self._stop(lambda bell: bell.execution is not None and bell.execution.id == execution_id)

    def handle_payload(self, message: Any) -> None:
        """RQ itself takes one of the jobs in work for the current one; here any of them may be stopped."""
        payload = parse_payload(message)
        if payload["command"] == "stop-job":
            self._stop(lambda bell: bell.job.id == payload.get("job_id"))
        else:
            super().handle_payload(message)

    def _stop(self, is_meant: Callable[[Running], bool]) -> None:
        for bell in filter(is_meant, self._bookkeeper.running()):
            log.warning("bell.stopped", job_id=bell.job.id)
            bell.is_stopped = True
            bell.answer.cancel()

    def _install_signal_handlers(self) -> None:
        on_stop(self.request_stop)

    # RQ asks more often than there is news, and its loop ends where Redis is away just then.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """RQ beats whenever it asks for a suspension, in one pipeline, and after each job once more."""
        if pipeline is None:
            return
        if not self.connection.sismember(WORKERS_BY_QUEUE_KEY % QUEUE_NAME, self.key):
            # RQ's keys were flushed. What the bookkeeper writes meanwhile looks to RQ like another worker
            # of this name, unless its death is noted.
            self.connection.hset(self.key, "death", "")
            self.register_birth()
        super().heartbeat(timeout, pipeline=pipeline)

    def serialize(self) -> dict[str, Any]:
        """What RQ shows of a worker, and how many bells this one answers at a time."""
        return {**super().serialize(), CONCURRENCY_FIELD: self._concurrency}

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

    # Slots.

    def _look_after_itself(self) -> None:
        self.check_for_suspension(burst=False)
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        if not self._bookkeeper.running():
            self.set_state(WorkerStatus.IDLE)

    def _pop(self) -> list[Popped]:
        """As many bells as there are slots free; none where all slots stay taken, or no bell comes."""
        if not self._slots.wait(POP_SECONDS):
            return []
        room = self._slots.room(backlog_waits=self._popper.backlog_waits)
        popped = self._engine.do(self._popper.pop(room, wait_seconds=POP_SECONDS))
        bells = [bell for bell in popped if isinstance(bell, Popped)]
        of_backlog = sum(bell.lane == "backlog" for bell in bells)
        self._slots.take(len(bells) - of_backlog, of_backlog)
        for dropped in popped:
            if isinstance(dropped, Dropped):
                with _redis_may_be_away("drop"):
                    self._books.drop(dropped)
        return bells

    def _submit(self, ring: Ring, lane: Lane, limit_seconds: float) -> Future[int]:
        return self._engine.submit(ring.name, ring.bell, lane, limit_seconds=limit_seconds)

    def _wait(self, seconds: float) -> None:
        """A signal does not end a sleep; so it is a short one, over and over."""
        until = self._clock.monotonic() + seconds
        while not self._stop_requested and self._clock.monotonic() < until:
            time.sleep(AWAY_STEP_SECONDS)


@contextmanager
def _redis_may_be_away(step: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.warning("worker.redis_away", step=step, error=type(error).__name__)
