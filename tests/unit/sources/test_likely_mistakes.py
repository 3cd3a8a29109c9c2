"""A refusal names the mistake that would explain it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.sources import KINDS, Rejected
from tests.unit.sources.configured import SECRET
from tests.unit.sources.deliveries import NOW, URL, source_of


def refusal(source, request, now=NOW):
    with pytest.raises(Rejected) as refused:
        KINDS[source.kind].verify(request, source, now)
    return refused.value


def sample(source, now=NOW, url=URL):
    return KINDS[source.kind].sample(source, url=url, now=now, event_id="evt_1")


def minified(body):
    return json.dumps(json.loads(body), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "on_the_way",
    [
        lambda body: json.dumps(json.loads(body)).encode(),
        lambda body: body + b"\n",
        lambda body: b" " + body,
        lambda body: json.dumps(json.loads(body), indent=2).encode(),
    ],
    ids=["spaced", "line_end", "blank", "indented"],
)
@pytest.mark.parametrize("kind", ["zendesk", "intercom", "kustomer", "jira", "front", "hubspot"])
def test_a_body_that_something_wrote_anew(kind, on_the_way):
    """Where the body would fit as it may have been before a proxy, the proxy is named."""
    source = source_of(kind, SECRET)
    request = sample(source)
    request = resigned(source, replace(request, body=minified(request.body)))
    arrived = replace(request, body=on_the_way(request.body))
    assert "rewritten on the way" in refusal(source, arrived).hint


def resigned(source, request):
    return KINDS[source.kind].scheme.sign(request, source, NOW, None)


def test_a_literal_secret_that_was_decoded():
    """A sender that took a literal secret for base64 is told apart from a stranger."""
    literal = base64.b64encode(b"0123456789abcdef").decode()
    decoding = source_of(
        "hmac",
        literal,
        header="x-zendesk-webhook-signature",
        encoding="base64",
        signed_content="{timestamp}{body}",
        timestamp_header="x-zendesk-webhook-signature-timestamp",
        timestamp_unit="iso8601",
        secret_encoding="base64",
    )
    request = resigned(decoding, sample(source_of("zendesk", SECRET)))
    hint = refusal(source_of("zendesk", literal), request).hint
    assert hint == "it was signed with the secret taken as base64; this scheme takes it as raw"


def test_a_hex_secret_that_was_taken_literally():
    """Dixa's secret is hex; signing with its letters is noticed."""
    secret = "00ff" * 8
    written = str(int(NOW.timestamp() * 1000))
    literal = source_of("hmac", secret, header="x", signed_content="{timestamp}.{body}",
                        timestamp_header="x-time", timestamp_unit="ms")  # fmt: skip
    signed = resigned(literal, sample(source_of("dixa", secret)))
    request = replace(signed, headers={"x-dixa-signature": f"t={written},v1={signed.headers['x']}"})
    assert "taken as raw" in refusal(source_of("dixa", secret), request).hint


def test_white_space_around_a_secret():
    """A secret that was pasted with a blank behind it is named."""
    request = sample(source_of("kustomer", SECRET))
    assert "white space" in refusal(source_of("kustomer", f"{SECRET} "), request).hint
    request = sample(source_of("static", SECRET, header="x-key"))
    assert "white space" in refusal(source_of("static", f" {SECRET}", header="x-key"), request).hint


def test_seconds_for_milliseconds_and_milliseconds_for_seconds():
    """A timestamp in the wrong unit is named as that, not as one from 1970 or from the far future."""
    front = source_of("front", SECRET)
    request = sample(front)
    seconds = {**request.headers, "x-front-request-timestamp": str(int(NOW.timestamp()))}
    refused = refusal(front, replace(request, headers=seconds))
    assert (refused.slug, "seconds where milliseconds" in refused.hint) == ("timestamp_too_old", True)
    standard = source_of("standard", "whsec_c2VjcmV0")
    request = sample(standard)
    milliseconds = {**request.headers, "webhook-timestamp": str(int(NOW.timestamp() * 1000))}
    refused = refusal(standard, replace(request, headers=milliseconds))
    assert (refused.slug, "milliseconds where seconds" in refused.hint) == ("timestamp_in_future", True)


def test_how_far_a_clock_is_off():
    """A refused age is told in seconds."""
    source = source_of("zendesk", SECRET)
    assert "is 400 s old" in refusal(source, sample(source), NOW + timedelta(seconds=400)).hint
    assert "is 400 s in the future" in refusal(source, sample(source), NOW - timedelta(seconds=400)).hint


@pytest.mark.parametrize(
    "called", ["https://hooks.example.test/webhooks/desk", "https://hooks.example.test/in/"]
)
def test_the_url_that_hubspot_called(called):
    """Behind a proxy HubSpot called another URL: `public_url` mends it, and the hint says so."""
    seen = "http://hooks.example.test/webhooks/desk"
    source = source_of("hubspot", SECRET)
    request = replace(sample(source, url=called), url=seen)
    assert "public_url" in refusal(source, request).hint
    mended = source_of("hubspot", SECRET, public_url=called)
    KINDS["hubspot"].verify(request, mended, NOW)


def test_a_path_that_a_proxy_changed_for_gladly():
    """Gladly signs the path it called: `public_url` says which."""
    request = replace(sample(source_of("gladly", SECRET), url="https://a.example/desk"), url=URL)
    assert "public_url" in refusal(source_of("gladly", SECRET), request).hint
    KINDS["gladly"].verify(request, source_of("gladly", SECRET, public_url="https://a.example/desk"), NOW)


def test_a_password_without_its_user():
    """Basic auth needs user and password in the secret."""
    source = source_of("freshdesk", "user:password-of-nobody")
    token = base64.b64encode(b"password-of-nobody").decode()
    request = replace(sample(source), headers={"authorization": f"Basic {token}"})
    assert "only the password" in refusal(source, request).hint
    assert "user:password" in KINDS["freshdesk"].check_secret("password", {})


def test_a_word_before_a_secret_in_a_header():
    """`Bearer` before the secret is part of the header's value."""
    source = source_of("static", SECRET, header="Authorization")
    request = replace(sample(source), headers={"authorization": f"Bearer {SECRET}"})
    assert "Bearer" in refusal(source, request).hint


def test_zendesks_public_test_secret_is_refused():
    """The secret that Zendesk's documentation publishes proves nothing."""
    public = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
    assert KINDS["zendesk"].check_secret(public, {}) == "is the test secret that Zendesk publishes"


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_crisps_timestamp_in_either_unit(unit):
    """What Crisp's documentation leaves open is taken both ways, and too old both ways."""
    source = source_of("crisp", SECRET)
    signing = source_of(
        "hmac",
        SECRET,
        header="x-crisp-signature",
        signed_content="[{timestamp};{body}]",
        timestamp_header="x-crisp-request-timestamp",
        timestamp_unit=unit,
    )
    request = resigned(signing, sample(source))
    KINDS["crisp"].verify(request, source, NOW)
    assert refusal(source, request, NOW + timedelta(seconds=400)).slug == "timestamp_too_old"


def test_large_bodies_are_not_searched_for_mistakes():
    """A stranger cannot make refusing costly: above 16 KiB only the plain refusal is given."""
    source = source_of("kustomer", SECRET)
    request = sample(source)
    large = replace(request, body=json.dumps({"a": "b" * 17_000}).encode())
    arrived = replace(resigned(source, large), body=large.body + b"\n")
    assert "rewritten" not in refusal(source, arrived).hint
