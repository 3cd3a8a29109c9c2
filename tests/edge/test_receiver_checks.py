"""What is checked of a request to `/webhooks/{source}` before its event is read, in the contract's order."""

from __future__ import annotations

import json
import logging
import socket
from urllib.parse import urlsplit

import pytest

from tests.edge.told import refused
from tests.running import Site, reply, signed, until

MIB = 1024 * 1024


def test_tolerance_holds_in_both_directions(site: Site):
    """Timestamps up to the tolerance off pass, older and later ones do not."""
    for age in (295, -295):
        assert site.deliver(event_id=f"in-{age}", age_seconds=age).status_code == 200
    assert refused(site.deliver(event_id="old", age_seconds=305), 401) == "timestamp_too_old"
    assert refused(site.deliver(event_id="new", age_seconds=-305), 401) == "timestamp_in_future"


def test_checks_come_in_the_order_of_the_contract(site: Site):
    """Source, method, size, content type, authenticity, content: the first that fails is told."""
    huge, text = b"x" * (MIB + 1), {"content-type": "text/plain"}
    post = site.client.post
    assert refused(post("/webhooks/nowhere", content=huge, headers=text), 404) == "no_such_source"
    assert refused(site.client.put("/webhooks/nowhere", content=huge), 404) == "no_such_source"
    assert refused(site.client.put("/webhooks/support", content=huge, headers=text), 405)
    assert refused(post("/webhooks/support", content=huge, headers=text), 413) == "body_too_large"
    assert refused(post("/webhooks/support", content=b"no json", headers=text), 415) == "content_type"
    assert refused(post("/webhooks/support", content=b"no json"), 401) == "header_missing"
    assert refused(site.deliver(b"no json"), 400) == "not_json"
    assert refused(site.deliver([reply()]), 400) == "not_object"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE"])
def test_other_methods_are_told_so(site: Site, method):
    """Whatever is neither POST nor a probe gets 405, and is told what is taken."""
    answer = site.client.request(method, "/webhooks/support")
    assert refused(answer, 405) == "method_not_allowed"
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/nowhere",
        "/webhooks/nowhere/",
        "/webhooks/support/",
        "/webhooks/",
        "/webhooks",
        "/webhooks/support/x",
        "/webhooks/%00",
        "/webhooks/%ff",
        "//webhooks/support",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_404_says_nothing_of_what_exists(site: Site, path, method):
    """An address that is no source's is answered with 404, never led elsewhere, and names no source."""
    answer = site.client.request(method, path)
    assert answer.status_code == 404
    if method != "HEAD":
        refused(answer, 404)
    assert "support" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probes_are_answered_empty(site: Site, method):
    """HEAD and GET on a source's address answer 200 with an empty body."""
    answer = site.client.request(method, "/webhooks/support")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_may_hold_a_mebibyte(site: Site):
    """A body of exactly 1 MiB is taken; one byte more is not, told or in chunks."""
    filler = MIB - len(json.dumps(reply(message="")))
    content, headers = signed(json.dumps(reply(message="x" * filler)).encode())
    assert len(content) == MIB
    assert (
        site.client.post("/webhooks/support", content=content, headers=headers).json()["status"] == "accepted"
    )
    over = content + b" "
    assert refused(site.client.post("/webhooks/support", content=over, headers=headers), 413)
    chunks = (over[at : at + 65_536] for at in range(0, len(over), 65_536))
    assert refused(site.client.post("/webhooks/support", content=chunks, headers=headers), 413)


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(site: Site):
    """Who announces more than 1 MiB is refused before the first byte of it."""
    address = urlsplit(site.origin)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sender:
        head = (
            f"POST /webhooks/support HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {MIB + 1}\r\n\r\n"
        )
        sender.sendall(head.encode())
        assert sender.recv(64).startswith(b"HTTP/1.1 413 ")


def test_content_types_may_carry_parameters(site: Site):
    """A charset beside the content type is fine; another type, or a compressed body, is not."""
    assert site.deliver(content_type="Application/JSON; charset=utf-8").status_code == 200
    assert refused(site.deliver(content_type="application/x-www-form-urlencoded"), 415) == "content_type"
    assert refused(site.deliver(content_encoding="gzip"), 415) == "content_encoding"


def test_svix_names_are_taken(site: Site):
    """The `svix-` names of the three headers count as well."""
    content, headers = signed(reply())
    renamed = {name.replace("webhook-", "svix-"): value for name, value in headers.items()}
    assert (
        site.client.post("/webhooks/support", content=content, headers=renamed).json()["status"] == "accepted"
    )
    assert site.deliver().json()["status"] == "duplicate"


def test_rejected_deliveries_are_noted(site: Site):
    """What was refused on a source's own address shows among the deliveries, with its reason."""
    site.deliver(age_seconds=1000)
    site.deliver(b"no json")
    site.deliver(content_type="text/plain")
    site.deliver(reply(author="agent"))
    site.deliver()
    site.deliver()
    site.deliver(reply(contact_id=None), event_id="msg_2")

    expected = {
        ("rejected", "timestamp_too_old"),
        ("rejected", "not_json"),
        ("rejected", "content_type"),
        ("ignored", "agent_reply"),
        ("accepted", None),
        ("duplicate", None),
        ("held", "contact_unknown"),
    }

    def noted():
        told = site.api("GET", "/api/deliveries").json()["deliveries"]
        return expected <= {(each["verdict"], each["reason"]) for each in told}

    assert until(noted)


def test_what_comes_to_no_source_is_noted_nowhere(site: Site, caplog):
    """An address that is no source's shows neither among the deliveries nor in the log, nor in the metrics,
    where strangers could make as many series as they like.
    """
    with caplog.at_level(logging.INFO, "service.receiver"):
        refused(site.client.post("/webhooks/of-strangers"), 404)
    site.deliver(age_seconds=1000)
    told = until(lambda: site.api("GET", "/api/deliveries").json()["deliveries"])
    assert [each["source"] for each in told] == ["support"]
    (answered,) = [record for record in caplog.records if record.name == "service.receiver"]
    assert "no_such_source" in repr(vars(answered))
    assert "of-strangers" not in repr(vars(answered))
    metrics = site.client.get("/metrics").text
    assert "of-strangers" not in metrics
    assert 'reason="no_such_source",source="unknown",verdict="rejected"' in metrics
