"""How a call ended, by where it broke (rule 9 of docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.errors import AccountRefused, ReadFailed
from service.domain.outcomes import (
    Done,
    Misplaced,
    NotSent,
    Outcome,
    Refused,
    Throttled,
    Unauthorized,
    Unknown,
)
from service.domain.ports import Sending
from workers.acquire import parse
from workers.acquire.connection import MIB
from workers.acquire.parse import Malformed
from workers.acquire.values import as_id, words_of
from workers.acquire.wire import Answer, Broken, Result

SHORTEST_PAUSE_SECONDS = 1.0
"""Where Acquire asks to wait, but not for how long, or for no time at all."""
NO_SUCH_RECORD = "ERROR_RECORD_NOT_FOUND"


def outcome_of(result: Result, sending: Sending) -> Outcome:
    """The outcome of a reopen or an append."""
    match result:
        case Broken(error, sent=False):
            return NotSent(error)
        case Broken(error, http_status=http_status):
            return Unknown(error, http_status)
        case Answer(http_status=401 | 403 as http_status):
            return Unauthorized(http_status, _words(result))
        case Answer(http_status=400 | 404 | 422 as http_status):
            return Refused(http_status, _words(result))
        case Answer(http_status=http_status) if _asks_to_wait(result):
            return Throttled(http_status, result.retry_after_seconds)
        case Answer(http_status=http_status) if _is_success(result):
            return _effect(result, sending)
        case Answer(http_status=http_status):
            return Unknown(_words(result), http_status)


def _asks_to_wait(answer: Answer) -> bool:
    """429; and 503 if it tells for how long, or is in Acquire's own form: a proxy's says nothing of what
    Acquire did.
    """
    if answer.http_status != 503:
        return answer.http_status == 429
    return answer.retry_after_seconds is not None or words_of(_object_of(answer)) is not None


def _is_success(answer: Answer) -> bool:
    return 200 <= answer.http_status < 300


def _effect(answer: Answer, sending: Sending) -> Outcome:
    """What a 2xx says was done. Where it names the wrong thread or case, Acquire acted there; where it does
    not name one, nobody knows.
    """
    try:
        shown = parse.mapping(data_of(answer), "case or message")
        read = _case_made if sending.case_id is None else _message_made
        return read(shown, sending, answer.http_status)
    except Malformed as fault:
        return Unknown(f"the answer is unreadable: {fault}", answer.http_status)


def _case_made(shown: Mapping[str, object], sending: Sending, http_status: int) -> Outcome:
    case_id, thread_id = as_id(shown.get("id")), parse.thread_of(shown)
    if thread_id is None and ("threadId" in shown or "parentId" in shown):
        thread_id = case_id  # a case of no other thread is its own: Acquire opened an unrelated one
    if thread_id is not None and thread_id != sending.thread_id:
        return Misplaced(case_id, thread_id, http_status)
    if case_id is None or thread_id is None:
        raise Malformed("no id of a case" if case_id is None else "no thread")
    return Done(case_id, thread_id, http_status=http_status)


def _message_made(shown: Mapping[str, object], sending: Sending, http_status: int) -> Outcome:
    """`data` is the message, with `id`, `caseId` and `threadId`."""
    message_id, case_id, thread_id = (
        as_id(shown.get("id")),
        as_id(shown.get("caseId")),
        parse.thread_of(shown),
    )
    if (case_id or sending.case_id) != sending.case_id or (
        thread_id or sending.thread_id
    ) != sending.thread_id:
        return Misplaced(case_id, thread_id, http_status)
    if message_id is None or case_id is None:
        raise Malformed("no id of a message" if message_id is None else "no case")
    return Done(case_id, sending.thread_id, message_id, http_status)


def answer_of(result: Result) -> Answer:
    """The answer to a read, if it is a 2xx; raises `ReadFailed`, or `AccountRefused` for 401 and 403.

    Not `supported` is what Acquire will not answer however often it is asked.
    """
    match result:
        case Broken(error, http_status=http_status):
            raise ReadFailed(error, http_status=http_status)
        case Answer(http_status=401 | 403 as http_status):
            raise AccountRefused(_words(result), http_status=http_status)
        case Answer(http_status=http_status) if _asks_to_wait(result):
            seconds = max(result.retry_after_seconds or 0.0, SHORTEST_PAUSE_SECONDS)
            raise ReadFailed(_words(result), http_status=http_status, retry_after_seconds=seconds)
        case Answer(http_status=http_status) if not _is_success(result):
            supported = http_status not in {400, 404, 405, 410, 501}
            raise ReadFailed(_words(result), http_status=http_status, supported=supported)
        case Answer():
            return result


def says_no_such_record(result: Result) -> bool:
    """404 in Acquire's own form, or 400 with its word for it (docs/acquire.md, "Reading back"). A 404 in
    another form is a proxy's or means the address: it says nothing about the record.
    """
    if not isinstance(result, Answer) or result.http_status not in {400, 404}:
        return False
    words = words_of(_object_of(result))
    return words is not None and (result.http_status == 404 or NO_SUCH_RECORD in words)


def urgency(failure: BaseException) -> int:
    """Which of two failed reads is told: one that concerns the whole account first; 0 is the most urgent."""
    match failure:
        case AccountRefused():
            return 1
        case ReadFailed(retry_after_seconds=float()):
            return 2
        case ReadFailed():
            return 3
        case _:
            return 0


def data_of(answer: Answer) -> object:
    """What is in the envelope; raises `Malformed`."""
    if not answer.whole:
        raise Malformed(f"larger than {len(answer.body) // MIB} MiB")
    return parse.data_of(answer.body)


def _words(answer: Answer) -> str:
    return words_of(_object_of(answer)) or f"HTTP {answer.http_status}"


def _object_of(answer: Answer) -> object:
    """The body if it is a JSON object, which is the form of all that Acquire itself says."""
    try:
        body = parse.json_of(answer.body)
    except Malformed:
        return None
    return body if isinstance(body, dict) else None
