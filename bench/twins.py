"""What the receiver is compared with: Starlette answering at once, and the same service written naively.

uvicorn bench.twins:at_once
uvicorn bench.twins:naive
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.load import SECRET_BYTES

ANSWER = {"status": "accepted", "reopen_id": "0123456789abcdef01234567"}


async def _at_once(_: Request) -> Response:
    return JSONResponse(ANSWER)


async def _naive(request: Request) -> Response:
    """HMAC, parse, `queue.enqueue` in a thread: no dedupe, no order, no record."""
    body = await request.body()
    headers = request.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.digest(SECRET_BYTES, content, hashlib.sha256)).decode()
    if not hmac.compare_digest(headers["webhook-signature"], f"v1,{signature}"):
        return Response(status_code=401)
    event: dict[str, Any] = json.loads(body)
    job = await run_in_threadpool(_enqueue, event)
    return JSONResponse({"status": "accepted", "reopen_id": job.id})


def _enqueue(event: dict[str, Any]) -> Job:
    """A job for nobody, or where there is an Acquire one that reopens there (bench/naive.py)."""
    acquire_url = os.environ.get("ACQUIRE_BASE_URL")
    if acquire_url is None:
        return _queue().enqueue("bench.twins.nothing", event)
    return _queue().enqueue("bench.naive.reopen", acquire_url, event["data"]["thread_id"], result_ttl=0)


def _queue() -> Queue:
    if not _queues:
        connection = Redis.from_url(os.environ["REDIS_URL"])
        _queues.append(Queue("naive", connection=connection, serializer=JSONSerializer))
    return _queues[0]


_queues: list[Queue] = []

at_once = Starlette(routes=[Route("/webhooks/{source}", _at_once, methods=["POST"])])
naive = Starlette(routes=[Route("/webhooks/{source}", _naive, methods=["POST"])])
