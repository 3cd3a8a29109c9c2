"""Taking bells off RQ's queues: new replies first, and what has waited in what room is left for it.

The first is waited for, as many more as there is room for come along. Each is moved to its queue's
intermediate one in the same step, as RQ does it with a single queue. With two, RQ's own workers pop without
that: one that is killed before it starts a job loses it until the sweeper rings again.

It runs in the engine's event loop, which answers bells too: between a bell and its claim no thread has to
wake another.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from rq.job import Job
from rq.serializers import JSONSerializer

from service.queue import JOB_TIMEOUT_SECONDS, Lane, Ring, ring_of, ring_told_by

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from rq.queue import Queue

    from service.clock import Clock
    from workers.slots import Room

BUSY_SECONDS = 0.02
"""How long a new reply is waited for while a backlog waits for a slot, or may be there again in a moment."""
MORE_SECONDS = 1.0
"""So long after the backlog had something more of it is likely: what was begun ended, and makes room."""
QUIET_SECONDS = 0.01
HEAD_START_SECONDS = 0.003
"""Where nothing had come for a while, a new reply has the loop to itself until its first call is out."""


Submit: TypeAlias = Callable[[Ring, Lane, float], "Future[int]"]
"""Has a bell answered, within so many seconds."""


@dataclass(frozen=True, slots=True)
class Popped:
    """A bell in work."""

    job: Job
    lane: Lane
    answer: Future[int]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Popped, and not for us. `stranger` is a job that is no bell at all, `why` says so."""

    job_id: str
    lane: Lane
    why: str
    stranger: Job | None = None


class Popper:
    """Raises `RedisError` where Redis is away; what was popped by then waits on the intermediate queue, and
    its threads are rung again.
    """

    def __init__(
        self,
        connection: Redis,
        queues: Mapping[Lane, Queue],
        submit: Submit,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._queues = queues
        both = (queues["live"], queues["backlog"])
        self._keys = [key for each in both for key in (each.key, each.intermediate_queue_key)]
        script = resources.files(__package__).joinpath("popping.lua").read_text("utf-8")
        self._take = connection.register_script(script)
        self._submit = submit
        self._clock = clock
        self.backlog_waits = False
        self._backlog_at = float("-inf")

    async def pop(self, room: Room, *, wait_seconds: float) -> list[Popped | Dropped]:
        """New replies first, then what waited, as many as there is room for; none where none came in time.

        All are handed on to be answered: the one that was waited for at once where its id tells whose it is,
        and while its job is read. A claim for nobody does no harm, so that may turn out to be a stranger's.
        """
        asked_at = self._clock.monotonic()
        first = await self._first_of_live(room, wait_seconds)
        told = ring_told_by(first) if first is not None else None
        begun = self._submit(told, "live", JOB_TIMEOUT_SECONDS) if told is not None else None
        if begun is not None and self._clock.monotonic() - asked_at > QUIET_SECONDS:
            await asyncio.sleep(HEAD_START_SECONDS)
        rooms = (room.live, room.backlog, room.both)
        backlog, taken = await self._take(keys=self._keys, args=[Job.key_for(""), first or "", *rooms])
        self.backlog_waits = backlog > 0
        if self.backlog_waits:
            self._backlog_at = self._clock.monotonic()
        return self._bells(json.loads(taken.decode("utf-8", "surrogateescape")), begun)

    async def _first_of_live(self, room: Room, wait_seconds: float) -> str | None:
        source, target = self._queues["live"].key, self._queues["live"].intermediate_queue_key
        if not room.live:
            return None
        if self.backlog_waits and room.backlog:
            first: Any = await self._connection.lmove(source, target)
        else:
            # redis-py's types know whole seconds only.
            is_busy = self._clock.monotonic() - self._backlog_at < MORE_SECONDS
            seconds: Any = BUSY_SECONDS if is_busy else wait_seconds
            first = await self._connection.blmove(source, target, seconds)
        return None if first is None else str(first.decode())

    def _bells(
        self,
        taken: Sequence[tuple[Lane, str, list[str]]],
        begun: Future[int] | None,
    ) -> list[Popped | Dropped]:
        """`begun` is the answer to the first."""
        bells: list[Popped | Dropped] = []
        for lane, job_id, flat in taken:
            job = self._restored(job_id, flat, lane)
            told = ring_of(job) if job is not None else "its job is gone or cannot be read"
            if job is not None and isinstance(told, Ring) and told.is_known:
                limit_seconds = float(job.timeout or JOB_TIMEOUT_SECONDS)
                bells.append(Popped(job, lane, begun or self._submit(told, lane, limit_seconds)))
            elif isinstance(told, Ring):
                bells.append(Dropped(job_id, lane, "of a newer version"))
            else:
                bells.append(Dropped(job_id, lane, told, stranger=job))
            begun = None
        return bells

    def _restored(self, job_id: str, flat: list[str], lane: Lane) -> Job | None:
        if not flat:
            return None
        told = [part.encode("utf-8", "surrogateescape") for part in flat]
        job = Job(job_id, connection=self._queues[lane].connection, serializer=JSONSerializer)
        try:
            job.restore(dict(zip(told[::2], told[1::2], strict=True)))
        except Exception:  # noqa: BLE001 - whatever somebody else put there
            return None
        return job
