"""Set-up requests, and options that are told wrong."""

from __future__ import annotations

import pytest

from service.domain.decide import Ignore, decide
from service.sources import KINDS
from tests.unit.sources.configured import CONFIGURED, SECRET, rsa_keys_of
from tests.unit.sources.deliveries import NOW, request_of, source_of

BY_NAME = {one.name: one for one in CONFIGURED}


def test_fronts_challenge_is_echoed_once_it_is_verified():
    """The signed request of type sync is answered with its challenge, and asks for nothing else."""
    one = BY_NAME["front-app"]
    plain = request_of({"type": "sync"}, {"X-Front-Challenge": "abc", "Content-Type": "application/json"})
    request = one.kind.scheme.sign(plain, one.source, NOW, None)
    one.kind.verify(request, one.source, NOW)
    assert one.kind.challenge(request, one.source) == {"challenge": "abc"}
    assert one.kind.challenge(one.sample(), one.source) is None


@pytest.mark.parametrize("body", [{"type": "inbound_received"}, {}, [], b"", b"\xff"])
def test_a_challenge_in_front_of_an_event_does_not_hide_it(body):
    """The challenge's header is not signed: a real event with it stays an event."""
    one = BY_NAME["front-app"]
    assert one.kind.challenge(request_of(body, {"X-Front-Challenge": "abc"}), one.source) is None


@pytest.mark.parametrize(
    ("name", "document", "headers"),
    [
        ("intercom", {"topic": "ping", "id": None, "data": {"item": {"type": "ping"}}}, {}),
        ("helpscout", {"id": 1}, {"x-helpscout-event": "helpscout.test"}),
        ("gladly", {"type": "PING", "id": "1"}, {}),
        ("front-app", {"type": "sync"}, {}),
    ],
)
def test_a_ping_is_ignored_as_a_set_up_request(name, document, headers):
    """A helpdesk's test of the address is no event, whatever it lacks."""
    one = BY_NAME[name]
    [event] = one.kind.read(request_of(document, headers), one.source)
    decision = decide(event, one.kind.rules(one.source))
    assert isinstance(decision, Ignore)
    assert decision.reason == "set_up_ping"


@pytest.mark.parametrize("body", [b"", b" ", b"[]"])
def test_zohos_probes_are_no_events(body):
    """An empty body and an empty array hold no event for Zoho, and no other kind probes so."""
    one = BY_NAME["zoho-desk"]
    assert one.kind.probes_with_empty_body
    assert one.kind.read(request_of(body), one.source) == []
    assert [name for name, kind in KINDS.items() if kind.probes_with_empty_body] == ["zoho-desk"]


FAULTS = [
    ("static", {}, []),
    ("static", {"auth": "header"}, ["header: missing"]),
    ("static", {"auth": "query"}, ["query: missing"]),
    ("static", {"auth": "cookie"}, ["auth: must be one of header, basic, query"]),
    ("static", {"auth": "basic", "header": "x"}, ["header: has no meaning"]),
    ("freshdesk", {"header": 7}, ["header: must be a string"]),
    ("crisp", {}, []),
    ("crisp", {"query": "key"}, ["query: needs auth ="]),
    ("crisp", {"auth": "query"}, ["query: missing"]),
    ("crisp", {"auth": "nothing"}, ["auth: must be one of signature, header, basic, query"]),
    ("front", {"variant": "plugin"}, ["variant: must be one of app, rule"]),
    ("hubspot", {"public_url": "hooks.example.test"}, ["public_url: must be the whole address"]),
    ("hubspot", {"public_url": "http://[::1"}, ["public_url: must be the whole address"]),
    ("hubspot", {"public_url": 7}, ["public_url: must be a string"]),
    ("gladly", {"auth": "basic", "public_url": "https://a.example"}, ["public_url: needs auth ="]),
    ("zoho-desk", {}, ["org_id: missing", "webhook_id: missing"]),
    ("zoho-desk", {"org_id": 1, "webhook_id": "2"}, ["org_id: must be a string"]),
    ("zoho-desk", {"org_id": "1", "webhook_id": "2", "dc": "evil.example/"}, ["dc: must be"]),
    ("zoho-desk", {"org_id": "1", "webhook_id": "2", "jwks_file": "/nowhere"}, ["jwks_file: cannot"]),
    ("zoho-desk", {"org_id": "1", "webhook_id": "2", "jwks_file": "\0"}, ["jwks_file: cannot"]),
    ("hmac", {}, ["header: missing"]),
    ("hmac", {"header": "x", "hash": "md5"}, ["hash: must be one of"]),
    ("hmac", {"header": "x", "signed_content": "x"}, ["signed_content: must hold {body} once"]),
    ("hmac", {"header": "x", "signed_content": "{timestamp}{body}"}, ["timestamp_header: missing"]),
    ("hmac", {"header": "x", "signed_content": "{id}{body}"}, ["id_header: missing"]),
    ("hmac", {"header": "x", "timestamp_header": "t"}, ["timestamp_header: signed_content lacks"]),
    ("hmac", {"header": "x", "reply_types": "comment"}, ["reply_types: must be a list of strings"]),
    ("hmac", {"header": "x", "type_header": 7}, ["type_header: must be a string"]),
]


@pytest.mark.parametrize(("kind", "options", "faults"), FAULTS, ids=[f"{k}-{o}" for k, o, _ in FAULTS])
def test_options_that_cannot_work_are_named(kind, options, faults):
    """Each fault begins with its key and says what to mend; what can work has none."""
    found = KINDS[kind].option_faults(options)
    assert len(found) == len(faults)
    for text, beginning in zip(found, faults, strict=True):
        assert text.startswith(beginning)


@pytest.mark.parametrize(
    ("kind", "secret", "fault"),
    [
        ("freshchat", "no key", "must be Freshchat's public key in PEM"),
        ("freshchat", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "must be Freshchat's"),
        ("dixa", "not hex", "must be written in hex"),
        ("kustomer", "", "must not be empty"),
        ("hmac", SECRET, "cannot be judged before this is mended: header: missing"),
    ],
)
def test_secrets_that_cannot_work_are_named(kind, secret, fault):
    """What is wrong with a secret is said without repeating it."""
    found = KINDS[kind].check_secret(secret, {})
    assert found.startswith(fault)
    assert not secret or secret not in found


def test_freshchats_key_may_be_written_as_environments_write_it():
    """One line, escaped line ends, or the label that Freshchat prints: all are the same key."""
    _, public, _ = rsa_keys_of("the helpdesk")
    one = BY_NAME["freshchat"]
    spellings = [
        public.replace("\n", " "),
        public.replace("\n", "\\n"),
        public.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
    ]
    for spelling in spellings:
        assert one.kind.check_secret(spelling, {}) is None
        one.kind.verify(one.sample(), source_of("freshchat", spelling), NOW)


def test_types_in_a_header_and_all_types():
    """`hmac` reads the type from a header, and takes every type where reply_types is empty."""
    kind = KINDS["hmac"]
    body = {"data": {"ticket_id": 1, "author": "customer", "message": "Hi"}}
    typed = source_of("hmac", SECRET, header="x", type_header="X-Event", reply_types=["comment"])
    for name, accepted in (("comment", True), ("push", False)):
        [event] = kind.read(request_of(body, {"x-event": name}), typed)
        assert isinstance(decide(event, kind.rules(typed)), Ignore) is not accepted
    untyped = source_of("hmac", SECRET, header="x", reply_types=[])
    [event] = kind.read(request_of(body), untyped)
    assert event.drift is None
    [event] = kind.read(request_of(body), source_of("hmac", SECRET, header="x"))
    assert event.drift == "type"
