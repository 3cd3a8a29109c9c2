"""The API told as OpenAPI 3.1, from one table of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.schemas import SCHEMAS, TEXT, ref
from service.version import VERSION


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `refusals` are the statuses it may answer with beside 401 and 503, which every call has, and
    403, which every change has.
    """

    method: str
    path: str
    summary: str
    answer: str | None
    body: str | None = None
    query: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()
    needs_token: bool = True
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


CALLS = (
    Call(
        "get",
        "/api/reopens",
        "Reopens, newest first",
        "Reopens",
        query=("status", "source", "q", "cursor", "limit"),
        refusals=(400,),
    ),
    Call(
        "post",
        "/api/reopens",
        "Start a reopen without a webhook",
        "Reopen",
        body="Start",
        headers=("Idempotency-Key",),
        refusals=(400, 413, 422),
    ),
    Call(
        "post",
        "/api/reopens/retry",
        "Retry all of a status",
        "Count",
        body="RetryAll",
        refusals=(400, 413),
    ),
    Call("get", "/api/bulk", "The latest verbs for many, and how far each is", "Bulks", refusals=(400,)),
    Call("get", "/api/bulk/{id}", "How far a verb for many is", "Bulk", refusals=(404,)),
    Call(
        "post",
        "/api/bulk/{id}/cancel",
        "Stop it: what no worker has begun is again as it was",
        "Bulk",
        refusals=(404, 409),
    ),
    Call("get", "/api/reopens/{id}", "One reopen with its attempts", "Reopen", refusals=(404,)),
    Call("post", "/api/reopens/{id}/retry", "Once more, looking first", "Reopen", refusals=(404, 409)),
    Call("post", "/api/reopens/{id}/cancel", "Do not do it", "Reopen", refusals=(404, 409)),
    Call(
        "post",
        "/api/reopens/{id}/resolve",
        "Say whose it is, so that it goes on",
        "Reopen",
        body="Place",
        refusals=(400, 404, 409, 413),
    ),
    Call(
        "get",
        "/api/reopens/{id}/exchanges",
        "What was said to Acquire and what it said, redacted, while the reopen is not done",
        "Exchanges",
    ),
    Call(
        "post",
        "/api/reopens/{id}/run-again",
        "Do a finished or held one once more, as a new reopen",
        "Reopen",
        body="Reason",
        refusals=(400, 404, 409, 413),
    ),
    Call("get", "/api/threads/{thread_id}", "A thread's cases and reopens", "Thread", refusals=(400, 404)),
    Call("get", "/api/links/{source}/{ticket_id}", "A ticket's link", "Link", refusals=(404,)),
    Call(
        "put",
        "/api/links/{source}/{ticket_id}",
        "Link a ticket; its waiting replies go on",
        "Link",
        body="Place",
        refusals=(400, 413),
    ),
    Call("delete", "/api/links/{source}/{ticket_id}", "Unlink a ticket", None, refusals=(404,)),
    Call(
        "post",
        "/api/forget",
        "Erase a customer: by contact, address or ticket",
        "Forgotten",
        body="Forget",
        refusals=(400, 409, 413),
    ),
    Call(
        "get",
        "/api/deliveries",
        "The latest deliveries with their verdicts",
        "Deliveries",
        query=("verdict", "source", "cursor", "limit"),
        refusals=(400,),
    ),
    Call(
        "get",
        "/api/deliveries/{id}/explain",
        "How a delivery that is kept would be read, decided and mapped now",
        "Explained",
        refusals=(400, 404),
    ),
    Call(
        "post",
        "/api/sources/{source}/compare",
        "What another map would make of the deliveries that are kept",
        "Compared",
        body="Map",
        refusals=(400, 404, 413),
    ),
    Call("get", "/api/stats", "The ledger in numbers", "Stats"),
    Call("post", "/api/pause", "Workers take no more work", "Paused"),
    Call("post", "/api/resume", "Workers go on", "Paused"),
    Call("get", "/api/alerts", "What people are told of now, and how the latest sendings ended", "Alerts"),
    Call("post", "/api/alerts/test", "Send a test through every channel", "AlertsTried", refusals=(409,)),
    Call(
        "post",
        "/webhooks/{source}",
        "A delivery of a helpdesk, signed as that helpdesk signs",
        "Taken",
        body="Delivery",
        refusals=(400, 401, 404, 405, 413, 415, 503),
        needs_token=False,
    ),
    Call("get", "/metrics", "Prometheus", "Metrics", needs_token=False, media_type="text/plain"),
    Call("get", "/healthz", "Alive", "Status", needs_token=False),
    Call("get", "/readyz", "Can take a webhook now", "Status", needs_token=False, refusals=(503,)),
)

REFUSALS = {
    400: "What was asked is unclear; the message says what to mend",
    401: "No or a wrong token; of a delivery: not authentic, or too old",
    403: "The viewer token changes nothing",
    404: "Not known",
    405: "Neither POST nor a probe",
    409: "Its status forbids that",
    413: "The body is too large",
    415: "Not a content type that the source sends",
    422: "This Idempotency-Key was used with another body",
    503: "Redis is away: try again",
}


def _operation(call: Call) -> dict[str, Any]:
    usual = () if not call.needs_token else (401, 503) if call.method == "get" else (401, 403, 503)
    statuses = {*call.refusals, *usual}
    done = {"description": "Done"} if call.answer is None else _content("Done", call.answer, call.media_type)
    answers = {"204" if call.answer is None else "200": done}
    answers |= {str(status): _content(REFUSALS[status], "Error") for status in sorted(statuses)}
    told: dict[str, Any] = {"summary": call.summary, "responses": answers}
    names = [part[1:-1] for part in call.path.split("/") if part.startswith("{")]
    parameters = [{"name": n, "in": "path", "required": True, "schema": TEXT} for n in names]
    parameters += [{"name": n, "in": "query", "required": False, "schema": TEXT} for n in call.query]
    parameters += [{"name": n, "in": "header", "required": True, "schema": TEXT} for n in call.headers]
    if parameters:
        told["parameters"] = parameters
    if call.body:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(call.body)}}}
    if not call.needs_token:
        told["security"] = []
    return told


def _content(description: str, schema: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": ref(schema)}}}


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return paths


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "The reopener", "version": VERSION},
    "paths": _paths(),
    "security": [{"adminToken": []}],
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"adminToken": {"type": "http", "scheme": "bearer"}},
    },
}
