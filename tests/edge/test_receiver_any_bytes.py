"""Whatever comes, the answer is one of the contract's table: arbitrary bytes against the running server."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.running import Site, reply, signed

ANSWERS = {200, 400, 401, 404, 405, 413, 415}
STATUSES = {"accepted", "duplicate", "ignored", "held", "batch"}
LIMIT_SECONDS = 10.0

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

SOURCES = ("support", "second", "trigger", "hubspot")
NAMES = (
    *("webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-signature", "svix-timestamp"),
    *("content-type", "content-encoding", "host", "expect", "connection", "upgrade", "x-secret", "cookie"),
    *("x-hubspot-signature", "x-hubspot-signature-v3", "x-hubspot-request-timestamp", "authorization"),
    *("x-forwarded-for", "x-forwarded-proto", "accept-encoding", "te", "trailer", "range"),
)
VALUES = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n\x00")),
    st.sampled_from([b"", b"application/json", b"text/plain", b"gzip", b"100-continue", b"close", b"[::1"]),
    st.sampled_from([b"Upgrade", b"websocket", b"h2c", b"v1,", b"v1a,", b"1" * 30, b"-1", b"NaN", b"\xff"]),
)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=20)
HEADERS = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), TOKENS).map(str.encode), VALUES), max_size=8)
METHODS = st.one_of(
    st.sampled_from(["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI"])
).map(str.encode)
PATHS = st.one_of(
    st.sampled_from(SOURCES).map(lambda name: f"/webhooks/{name}".encode()),
    st.binary(max_size=20).map(lambda raw: b"/webhooks/" + raw.translate(None, bytes(range(33)) + b"\x7f")),
)
QUERIES = st.one_of(
    st.just(b""),
    st.binary(max_size=20).map(lambda raw: b"?" + raw.translate(None, bytes(range(33)) + b"\x7f")),
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = ("ticket_id", "ticket_status", "contact_id", "thread_id", "author", "message", "message_id", "x")


def exchange(site: Site, raw: bytes, method: str = "POST") -> http.client.HTTPResponse | None:
    """Write the bytes, say that no more will come, and read the answer; None where the server just ends."""
    place = urlsplit(site.origin)
    with socket.create_connection((place.hostname, place.port), LIMIT_SECONDS) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # answered, and ended, before all of it was written
        answer = http.client.HTTPResponse(connection, method=method)
        try:
            answer.begin()
            answer.told = answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return None
        return answer


def check(answer: http.client.HTTPResponse | None, method: str = "POST") -> None:
    """One of the answers of the table, in its shape."""
    if answer is None:
        return
    assert answer.status in ANSWERS, (answer.status, answer.told)
    if method == "HEAD" or (answer.status == 200 and not answer.told):
        return
    told = json.loads(answer.told)
    if answer.status == 200:
        assert told["status"] in STATUSES
    else:
        assert set(told) == {"error"}
        assert set(told["error"]) == {"code", "message"}


@many
@given(METHODS, PATHS, QUERIES, HEADERS, st.binary(max_size=200))
@example(b"POST", b"/webhooks/support", b"", [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")], b"{}")
@example(b"POST", b"/webhooks/support", b"", [(b"connection", b"Upgrade"), (b"upgrade", b"h2c")], b"{}")
@example(b"POST", b"/webhooks/hubspot", b"", [(b"host", b"[::1"), (b"x-hubspot-signature-v3", b"x")], b"{}")
@example(b"POST", b"/webhooks/\xff", b"?\xff", [], b"")
@example(b"GET", b"/webhooks/support", b"", [(b"cookie", b"\xff=\xff")], b"x")
def test_any_request_gets_an_answer_of_the_table(site: Site, method, path, query, headers, body):
    """Any method, path, headers and body: never an answer that the table does not list, nor none."""
    lines = [b" ".join([method, path + query, b"HTTP/1.1"]), *(b": ".join(header) for header in headers)]
    raw = b"\r\n".join([*lines, b"content-length: " + str(len(body)).encode(), b"", body])
    answer = exchange(site, raw, method.decode())
    assert answer is not None
    check(answer, method.decode())


@many
@given(st.binary(max_size=300))
@example(b"POST /webhooks/support HTTP/1.1\r\ncontent-length: 5\r\n\r\n{}")
@example(b"POST /webhooks/support HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n")
@example(b"POST /webhooks/support HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}")
@example(b"POST /webhooks/support HTTP/1.1\r\ncontent-length: -2\r\n\r\n{}")
@example(b"POST http://[ HTTP/1.1\r\n\r\n")
@example(b"POST * HTTP/1.1\r\nhost: x\r\n\r\n")
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
@example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
def test_any_bytes_get_an_answer_of_the_table_or_none(site: Site, raw):
    """Any bytes on the wire: an answer that the table lists, or none where no request was made of them."""
    check(exchange(site, raw))


@many
@given(
    st.one_of(
        JSON, st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda data: {**reply(), "data": data})
    )
)
@example({**reply(), "type": ["ticket.customer_replied"]})
@example(reply(ticket_id="\x00", message="\x00\ud7ff", message_id="a\x00b"))
@example(reply(contact_id=10**400))
@example(reply(message="x" * 100_000))
def test_any_authentic_json_is_judged(site: Site, document):
    """Any JSON that is signed: accepted, ignored, held, or told why it is none, and the books balance."""
    content, headers = signed(document, event_id=f"any-{hash(json.dumps(document))}")
    answer = site.client.post("/webhooks/support", content=content, headers=headers)
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 200 and "reopen_id" in answer.json():
        assert site.reopen(answer.json()["reopen_id"])["status"] in {"queued", "held"}


@many
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
@example(b'{"a": NaN}')
@example(b'{"type": "\\ud800"}')
@example(b"")
def test_any_authentic_bytes_are_judged(site: Site, body):
    """Any bytes that are signed: an answer of the table, and never one of a fault of ours."""
    assert site.deliver(body).status_code in {200, 400}


@pytest.mark.parametrize("event_id", ["x" * 8000, "a b", "%00", "{}:*?"])
def test_any_id_is_kept_as_it_is(site: Site, event_id):
    """Whatever a header can carry is an event's id, and found by it."""
    first = site.deliver(event_id=event_id).json()
    assert first["status"] == "accepted"
    assert site.deliver(event_id=event_id).json() == {**first, "status": "duplicate"}
    assert site.reopen(first["reopen_id"])["event_id"] == event_id
