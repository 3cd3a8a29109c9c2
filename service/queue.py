"""RQ is the doorbell: a job carries an id and no customer data, and may be lost, doubled or late.

The job's hash is made by RQ itself (`Job.to_dict`); only that it is pushed by our own script, together
with what it announces, is ours. tests/contract/test_queue.py holds that to what RQ's `enqueue` writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Literal, TypeAlias

from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

if TYPE_CHECKING:
    from redis import Redis

QUEUE_NAME = "reopener"
BACKLOG_QUEUE_NAME = "reopener-backlog"
"""Bells of what has waited: retries, looks, bulk retries. New replies never stand behind them."""
BACKLOG_BELL = "backlog-"
"""What the ids of such bells begin with."""
Lane: TypeAlias = Literal["live", "backlog"]
QUEUE_NAMES: dict[Lane, str] = {"live": QUEUE_NAME, "backlog": BACKLOG_QUEUE_NAME}
JOB_FUNCTION = "workers.jobs.ring"
"""The dotted path is wire format: jobs written by one version are run by another."""
JOB_VERSION = 1
"""The least version of this software that may answer a bell of this form; versions run side by side."""
JOB_TIMEOUT_SECONDS = 900
CONCURRENCY_FIELD = "concurrency"
"""Of a worker's hash in RQ: how many bells it answers at a time."""
BELL_SECONDS = 10
"""How long a bell is taken for outstanding before the sweeper rings again."""
FAILED_JOB_SECONDS = 86_400
MOULD_NAME, MOULD_BELL, MOULD_TIME = "MOULDNAME", "MOULDBELL", "MOULDTIME"
BELL_PREFIX = f"{JOB_VERSION}-"
"""A new reopen's bell tells by its id whose it is: this, the reopen's, a hyphen, and what is its own."""
_NAMED = re.compile(rf"{BELL_PREFIX}([a-z0-9]+)-")
_UNSAFE = re.compile(r"[^A-Za-z0-9:_.-]")
"""A box may be named for a ticket, and dashboards of RQ print descriptions as they are."""


@dataclass(frozen=True, slots=True)
class Bell:
    """One ring: its RQ job's id, and the job's hash as Redis is to hold it (fields and values in turn)."""

    id: str
    job_key: str
    queue_key: str
    queues_key: str
    fields: tuple[str, ...]


class Bells:
    """Makes bells. Building RQ's hash costs no call to Redis; the connection is never used."""

    def __init__(self, connection: Redis) -> None:
        self._queues = {
            lane: Queue(name, connection=connection, serializer=JSONSerializer)
            for lane, name in QUEUE_NAMES.items()
        }
        self._connection = connection

    def queue_key(self, lane: Lane) -> str:
        """The Redis list of the lane's queue in RQ."""
        return str(self._queues[lane].key)

    @property
    def workers_key(self) -> str:
        """The Redis set of the keys of RQ's workers that listen to new replies."""
        return str(WORKERS_BY_QUEUE_KEY % QUEUE_NAME)

    def bell(self, name: str, lane: Lane = "live") -> Bell:
        """A bell for the thread that `name` (a reopen's id or a box) belongs to."""
        mark = BACKLOG_BELL if lane == "backlog" else ""
        return self._made(name, mark + token_hex(16), lane)

    def mould(self) -> Bell:
        """A bell of which a script makes many: wherever its fields and its job's key hold `MOULD_NAME`,
        `MOULD_BELL` or `MOULD_TIME`, the reopen's id, the bell's, and `written_now` go in.
        """
        made = self._made(MOULD_NAME, MOULD_BELL, "live")
        fields = dict(zip(made.fields[::2], made.fields[1::2], strict=True))
        return replace(made, fields=_flat({**fields, "created_at": MOULD_TIME, "enqueued_at": MOULD_TIME}))

    def _made(self, name: str, bell_id: str, lane: Lane) -> Bell:
        job = Job.create(
            JOB_FUNCTION,
            args=[name, bell_id, JOB_VERSION],
            id=bell_id,
            connection=self._connection,
            serializer=JSONSerializer,
            timeout=JOB_TIMEOUT_SECONDS,
            result_ttl=0,
            failure_ttl=FAILED_JOB_SECONDS,
            description=f"reopen {_UNSAFE.sub('?', name)}",
            status=JobStatus.QUEUED,
            origin=QUEUE_NAMES[lane],
        )
        job.enqueued_at = job.created_at
        stored = {**job.to_dict(), "data": job.data, "status": JobStatus.QUEUED.value}
        return Bell(bell_id, job.key, self.queue_key(lane), Queue.redis_queues_keys, _flat(stored))


def written_now() -> str:
    """The present moment as RQ writes it into jobs, without its strftime: 16 µs between other work."""
    return f"{now().isoformat(timespec='microseconds')[:-6]}Z"


@dataclass(frozen=True, slots=True)
class Ring:
    """What a bell's job says."""

    name: str
    bell: str
    version: int

    @property
    def is_known(self) -> bool:
        """A newer version's bell is left to it: the sweeper rings again, and so do its own workers."""
        return self.version <= JOB_VERSION


def ring_told_by(bell_id: str) -> Ring | None:
    """What a bell's id tells without its job. The job is still to be read: it may be a stranger's."""
    named = _NAMED.match(bell_id)
    return Ring(named[1], bell_id, JOB_VERSION) if named is not None else None


def ring_of(job: Job) -> Ring | str:
    """What the job says; words on why not where it is none of ours."""
    try:
        function, arguments = job.func_name, list(job.args)
    except DeserializationError:
        return "not a job of this service: its data is not in RQ's JSON form"
    match arguments:
        case [str(name), str(bell), int(version)] if function == JOB_FUNCTION:
            return Ring(name, bell, version)
        case _:
            return f"not a job of this service, which knows {JOB_FUNCTION}(name, bell, version) alone"


def _flat(fields: dict[str, object]) -> tuple[str, ...]:
    """Fields and values in turn, as text: the data stays uncompressed, which RQ reads as well."""
    flat: list[str] = []
    for field, value in fields.items():
        flat += [field, value.decode() if isinstance(value, bytes) else str(value)]
    return tuple(flat)
