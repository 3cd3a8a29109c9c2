"""Taking bells off RQ's queue: the first is waited for, as many more as there is room for come along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rq.job import Job
from rq.serializers import JSONSerializer

from service.logs import get_logger
from service.queue import Ring, ring_of

if TYPE_CHECKING:
    from redis import Redis
    from rq.queue import Queue

    from workers.books import Books

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Popped:
    job: Job
    ring: Ring


class Popper:
    """Raises `RedisError` where Redis is away; what was popped by then waits on the intermediate queue, and
    its threads are rung again.
    """

    def __init__(self, connection: Redis, queue: Queue, books: Books) -> None:
        self._connection = connection
        self._queue = queue
        self._books = books

    def pop(self, room: int, *, wait_seconds: float) -> list[Popped]:
        """Up to `room` bells; none where none came in time."""
        source, target = self._queue.key, self._queue.intermediate_queue_key
        # redis-py's types know whole seconds only.
        first: Any = self._connection.blmove(source, target, wait_seconds)  # type: ignore[arg-type]
        if first is None:
            return []
        ids = [first.decode()]
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(Job.key_for(ids[0]))
            pipeline.llen(source)
            stored, waiting = pipeline.execute()
            hashes = [stored]
            for _ in range(min(room - 1, waiting)):
                pipeline.lmove(source, target)
            more = [popped.decode() for popped in pipeline.execute() if popped is not None]
            for job_id in more:
                pipeline.hgetall(Job.key_for(job_id))
            hashes += pipeline.execute()
        return self._bells([*ids, *more], hashes)

    def _bells(self, job_ids: list[str], hashes: list[dict[bytes, bytes]]) -> list[Popped]:
        """What is no bell is failed as RQ fails a job; what is gone or newer than we are is left alone."""
        bells: list[Popped] = []
        dropped: list[str] = []
        for job_id, stored in zip(job_ids, hashes, strict=True):
            job = self._restored(job_id, stored)
            told = ring_of(job) if job is not None else "its job is gone or cannot be read"
            if job is not None and isinstance(told, Ring) and told.is_known:
                bells.append(Popped(job, told))
                continue
            dropped.append(job_id)
            reason = "of a newer version" if isinstance(told, Ring) else told
            log.warning("job.dropped", job_id=job_id, reason=reason)
            if job is not None and not isinstance(told, Ring):
                self._books.fail(job, told)
        if dropped:
            self._books.drop(dropped)
        return bells

    def _restored(self, job_id: str, stored: dict[bytes, bytes]) -> Job | None:
        if not stored:
            return None
        job = Job(job_id, connection=self._connection, serializer=JSONSerializer)
        try:
            job.restore(stored)
        except Exception:  # noqa: BLE001 - whatever somebody else put there
            return None
        return job
