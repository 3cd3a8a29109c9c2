"""`standard`, beside what is published of Standard Webhooks, and with its own package as an oracle."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
import standardwebhooks.webhooks as oracle
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.decide import Accept, Hold, decide
from service.sources import KINDS, CannotSign, Rejected
from tests.unit.sources.deliveries import NOW, URL, request_of, source_of

KIND = KINDS["standard"]
KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SOURCE = source_of("standard", SECRET)


def sample(source=SOURCE, **values):
    return KIND.sample(source, url=URL, now=NOW, event_id="msg_1", **values)


def oracle_accepts(request):
    """Whether the scheme's own package lets the request pass at NOW; None where it breaks off.

    It lets ValueError and UnicodeDecodeError escape on malformed headers, be there a valid signature or not.
    """
    with patch.object(oracle, "datetime", wraps=oracle.datetime) as clock:
        clock.now.return_value = NOW
        try:
            oracle.Webhook(SECRET).verify(request.body, dict(request.headers))
        except oracle.WebhookVerificationError:
            return False
        except ValueError:
            return None
        return True


def we_accept(request):
    try:
        KIND.verify(request, SOURCE, NOW)
    except Rejected:
        return False
    return True


def test_the_schemes_own_package_accepts_what_we_sign():
    """A sample is a delivery that other verifiers of Standard Webhooks take."""
    assert oracle_accepts(sample())


HEADER = st.text(st.characters(codec="ascii"), max_size=20)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_our_verdict_is_that_of_the_schemes_own_package(data):
    """For headers put together of valid, altered and arbitrary pieces, both verdicts are the same."""
    request = sample()
    signature = request.headers["webhook-signature"]
    entry = st.just(signature) | st.sampled_from([signature[:-1], "v2" + signature[2:], "v1,", "v1"]) | HEADER
    offset = data.draw(st.sampled_from([0, 299, 300, 301, -300, -301, 10**6]))
    headers = {
        "webhook-id": data.draw(st.just("msg_1") | HEADER.map(str.strip)),
        "webhook-timestamp": str(int(NOW.timestamp()) + offset),
        "webhook-signature": " ".join(data.draw(st.lists(entry, max_size=4))),
    }
    altered = replace(request, headers=headers)
    verdict = oracle_accepts(altered)
    assert verdict is None or we_accept(altered) == verdict


def test_any_of_several_signatures_will_do_and_unknown_versions_are_passed_over():
    """A sender that rotates its keys sends several signatures; one that fits is enough."""
    request = sample()
    signature = request.headers["webhook-signature"]
    several = f"v3,whatever v1,{'A' * 43}= {signature} v1a,AAAA"
    KIND.verify(replace(request, headers={**request.headers, "webhook-signature": several}), SOURCE, NOW)


def test_only_so_many_signatures_are_tried():
    """A header with thousands of signatures costs no more than one with a few."""
    request = sample()
    late = " ".join(["v1,AAAA"] * 40 + [request.headers["webhook-signature"]])
    with pytest.raises(Rejected):
        KIND.verify(replace(request, headers={**request.headers, "webhook-signature": late}), SOURCE, NOW)


def test_an_asymmetric_signature_needs_only_the_public_key():
    """v1a: signed with whsk_, checked with whpk_, and refused for any other body."""
    private = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    public = private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    source = source_of("standard", "whpk_" + base64.b64encode(public).decode())
    secret_bytes = private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    signing_key = "whsk_" + base64.b64encode(secret_bytes + public).decode()
    request = sample(source, signing_key=signing_key)
    KIND.verify(request, source, NOW)
    with pytest.raises(Rejected):
        KIND.verify(replace(request, body=request.body + b" "), source, NOW)
    with pytest.raises(CannotSign):
        sample(source)


def test_an_hmac_under_the_name_of_another_version_is_refused():
    """The version says how a signature was made: v1's under v1a or v2 counts for nothing."""
    request = sample()
    signature = request.headers["webhook-signature"].removeprefix("v1")
    for version in ("v1a", "v2", "v1 ", ""):
        headers = {**request.headers, "webhook-signature": version + signature}
        with pytest.raises(Rejected):
            KIND.verify(replace(request, headers=headers), SOURCE, NOW)


def test_an_hmac_made_with_the_public_key_is_refused():
    """The public key is known to all: a v1 signature made with its bytes proves nothing."""
    key = base64.b64encode(b"k" * 32).decode()
    forged = sample(source_of("standard", f"whsec_{key}"))
    with pytest.raises(Rejected):
        KIND.verify(forged, source_of("standard", f"whpk_{key}"), NOW)


def test_the_event_id_comes_from_the_signed_family_of_headers():
    """A second, unsigned family of headers beside the signed one has no say in the event id."""
    request = sample()
    both = replace(request, headers={**request.headers, "svix-id": "other", "svix-timestamp": "0"})
    KIND.verify(both, SOURCE, NOW)
    assert KIND.read(both, SOURCE)[0].event_id == "msg_1"
    svix = {name.replace("webhook-", "svix-"): value for name, value in request.headers.items()}
    renamed = replace(request, headers={**svix, "webhook-id": "other"})
    KIND.verify(renamed, SOURCE, NOW)
    assert KIND.read(renamed, SOURCE)[0].event_id == "msg_1"


def test_half_a_second_does_not_count_against_whole_seconds():
    """A sender writes whole seconds; 300 s and a bit is still 300 s."""
    KIND.verify(sample(), SOURCE, NOW + timedelta(seconds=300, milliseconds=900))


@pytest.mark.parametrize(
    "written", ["", "abc", "\uff11\uff17", "+1", "1e9", "1763892000.0", "-1", "9" * 30, "1_0"]
)
def test_a_timestamp_in_other_than_plain_digits_is_refused(written):
    """What other programs may read as another time does not pass here."""
    request = sample()
    with pytest.raises(Rejected) as refused:
        KIND.verify(replace(request, headers={**request.headers, "webhook-timestamp": written}), SOURCE, NOW)
    assert refused.value.slug in {"timestamp_malformed", "header_missing"}


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (SECRET, None),
        (SECRET.removeprefix("whsec_"), None),
        ("whsec_", "must be whsec_ and base64"),
        ("whsec_not base64", "must be whsec_ and base64"),
        ("whpk_AAAA", "must be whpk_ and 32 bytes in base64"),
        ("whsk_AAAA", "is the sender's private key"),
    ],
)
def test_a_secret_that_cannot_work_is_refused_at_the_start(secret, fault):
    """Settings learn what is wrong with a secret before the first delivery is refused over it."""
    found = KIND.check_secret(secret, {})
    assert found is None if fault is None else found.startswith(fault)


@pytest.mark.parametrize("written", [" 12", "12 ", "+12", "1_2", "12.0", 12.0, True, [12], "\u0663"])
@pytest.mark.parametrize("name", ["contact_id", "thread_id"])
def test_an_id_is_a_positive_integer_or_a_string_of_digits(name, written):
    """An id written in any other way holds the event, so that a person looks at it."""
    data = {"ticket_id": "4711", "contact_id": 1, "thread_id": 2, "author": "customer", "message": "x"}
    body = {"type": "ticket.customer_replied", "data": data | {name: written}}
    [event] = KIND.read(request_of(body, {"webhook-id": "msg_1"}), SOURCE)
    decision = decide(event, KIND.rules(SOURCE))
    assert isinstance(decision, Hold)
    assert decision.reason == name.replace("_id", "_unknown")


@pytest.mark.parametrize("name", ["ticket_id", "message", "ticket_status"])
def test_a_reply_needs_neither_ticket_nor_words(name):
    """Where contact and thread are told, an event without ticket, text or status is accepted as it is."""
    request = sample()
    body = json.loads(request.body)
    del body["data"][name]
    [event] = KIND.read(request_of(body, request.headers), SOURCE)
    assert decide(event, KIND.rules(SOURCE)) == Accept(597752, 1683)


def test_a_number_is_words_too():
    """A template without quotation marks makes a number of the reply "5": it is not taken for no text."""
    data = {"author": "customer", "contact_id": 1, "thread_id": 2}
    for written, text in ((5, "5"), (2.5, "2.5"), (True, None), ([5], None), ("  ", None)):
        body = {"type": "ticket.customer_replied", "data": data | {"message": written}}
        [event] = KIND.read(request_of(body, {"webhook-id": "msg_1"}), SOURCE)
        assert event.text == text


def test_the_contracts_body_is_read_whole():
    """Every field of the documented body, and the fields it may have besides, arrive in the event."""
    data = {
        "ticket_id": 4711,
        "ticket_status": "Solved",
        "contact_id": "597752",
        "thread_id": 1683,
        "author": "customer",
        "message": " It broke. ",
        "customer_email": "a@b.example",
        "customer_external_id": 7,
        "message_id": "m1",
    }
    body = {"type": "ticket.customer_replied", "timestamp": "2026-11-23T10:00:00Z", "data": data}
    [event] = KIND.read(request_of(body, {"webhook-id": "msg_1"}), SOURCE)
    assert (event.ticket_id, event.ticket_status, event.contact_id, event.thread_id) == (
        "4711",
        "Solved",
        "597752",
        "1683",
    )
    assert (event.text, event.customer_email, event.customer_external_id, event.message_id) == (
        " It broke. ",
        "a@b.example",
        "7",
        "m1",
    )
    assert event.occurred_at == NOW
