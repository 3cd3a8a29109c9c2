"""Taking bells off RQ's queues: new replies first, and what has waited in what room is left for it.

The first is waited for, as many more as there is room for come along. Each is moved to its queue's
intermediate one in the same step, as RQ does it with a single queue. With two, RQ's own workers pop without
that: one that is killed before it starts a job loses it until the sweeper rings again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rq.job import Job
from rq.serializers import JSONSerializer

from service.logs import get_logger
from service.queue import Lane, Ring, ring_of

if TYPE_CHECKING:
    from redis import Redis
    from rq.queue import Queue

    from workers.books import Books
    from workers.slots import Room

log = get_logger(__name__)


BUSY_SECONDS = 0.02
"""How long a new reply is waited for while a backlog waits for a slot."""


@dataclass(frozen=True, slots=True)
class Popped:
    job: Job
    ring: Ring
    lane: Lane


class Popper:
    """Raises `RedisError` where Redis is away; what was popped by then waits on the intermediate queue, and
    its threads are rung again.
    """

    def __init__(self, connection: Redis, queues: Mapping[Lane, Queue], books: Books) -> None:
        self._connection = connection
        self._queues = queues
        self._books = books
        self.backlog_waits = False

    def pop(self, room: Room, *, wait_seconds: float) -> list[Popped]:
        """New replies first, then what waited, as many as there is room for; none where none came in time."""
        first = self._first_of_live(room, wait_seconds)
        ids: list[tuple[Lane, str]] = [("live", first)] if first is not None else []
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.llen(self._queues["live"].key)
            pipeline.llen(self._queues["backlog"].key)
            if first is not None:
                pipeline.hgetall(Job.key_for(first))
            live, backlog, *hashes = pipeline.execute()
            self.backlog_waits = backlog > 0
            live = min(live, room.live - len(ids))
            backlog = min(backlog, room.backlog, room.both - len(ids) - live)
            lanes: tuple[tuple[Lane, int], ...] = (("live", live), ("backlog", backlog))
            more = [lane for lane, count in lanes for _ in range(count)]
            for lane in more:
                pipeline.lmove(self._queues[lane].key, self._queues[lane].intermediate_queue_key)
            popped = zip(more, pipeline.execute(), strict=True)
            new = [(lane, job_id.decode()) for lane, job_id in popped if job_id is not None]
            for _, job_id in new:
                pipeline.hgetall(Job.key_for(job_id))
            hashes += pipeline.execute()
        return self._bells([*ids, *new], hashes)

    def _first_of_live(self, room: Room, wait_seconds: float) -> str | None:
        source, target = self._queues["live"].key, self._queues["live"].intermediate_queue_key
        if not room.live:
            return None
        if self.backlog_waits and room.backlog:
            first: Any = self._connection.lmove(source, target)
        else:
            # redis-py's types know whole seconds only.
            seconds: Any = BUSY_SECONDS if self.backlog_waits else wait_seconds
            first = self._connection.blmove(source, target, seconds)
        return None if first is None else str(first.decode())

    def _bells(self, ids: list[tuple[Lane, str]], hashes: list[dict[bytes, bytes]]) -> list[Popped]:
        """What is no bell is failed as RQ fails a job; what is gone or newer than we are is left alone."""
        bells: list[Popped] = []
        for (lane, job_id), stored in zip(ids, hashes, strict=True):
            job = self._restored(job_id, stored)
            told = ring_of(job) if job is not None else "its job is gone or cannot be read"
            if job is not None and isinstance(told, Ring) and told.is_known:
                bells.append(Popped(job, told, lane))
                continue
            reason = "of a newer version" if isinstance(told, Ring) else told
            log.warning("job.dropped", job_id=job_id, reason=reason)
            if job is not None and not isinstance(told, Ring):
                self._books.fail(job, told, lane)
            self._books.drop(job_id, lane)
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
