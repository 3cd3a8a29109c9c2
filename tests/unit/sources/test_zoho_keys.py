"""Zoho's tokens, and the keys that they are checked with."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.sources import KINDS, Rejected
from service.sources.base import Undecided
from service.sources.parts.jwks import PublishedKeys, keys_of_file, parse_keys
from service.sources.parts.jwt import _encoded, write_token
from service.sources.zoho_desk import ZohoScheme
from tests.unit.sources.configured import rsa_keys_of
from tests.unit.sources.deliveries import NOW, request_of, source_of

URL = "https://keys.example.test/jwks.json"
PRIVATE, _, JWKS_FILE = rsa_keys_of("the helpdesk")
JWKS = Path(JWKS_FILE).read_bytes()
SOURCE = source_of("zoho-desk", org_id="1", webhook_id="2", jwks_file=JWKS_FILE)
SECONDS = int(NOW.timestamp())
CLAIMS = {"iss": "orgId:1", "aud": "webhookId:2", "iat": SECONDS, "exp": SECONDS + 60}


def refusal(claims=None, token=None, source=SOURCE):
    request = request_of([], {"X-ZDesk-JWT": token or write_token(CLAIMS | (claims or {}), PRIVATE)})
    with pytest.raises(Rejected) as refused:
        KINDS["zoho-desk"].verify(request, source, NOW)
    return refused.value.slug


def test_a_token_for_this_webhook_passes():
    """Issuer and audience as configured, signed with a known key, not over: authentic."""
    for claims in ({}, {"aud": ["other", "webhookId:2"]}, {"iat": SECONDS * 1000, "exp": None}):
        request = request_of([], {"X-ZDesk-JWT": write_token(CLAIMS | claims, PRIVATE)})
        KINDS["zoho-desk"].verify(request, SOURCE, NOW)


@pytest.mark.parametrize(
    ("claims", "slug"),
    [
        ({"iss": "orgId:9"}, "token_for_another"),
        ({"aud": "webhookId:9"}, "token_for_another"),
        ({"aud": None}, "token_for_another"),
        ({"exp": SECONDS - 301}, "timestamp_too_old"),
        ({"exp": None, "iat": SECONDS - 301}, "timestamp_too_old"),
        ({"iat": SECONDS + 301}, "timestamp_in_future"),
        ({"exp": None, "iat": None}, "timestamp_malformed"),
        ({"exp": "soon", "iat": True}, "timestamp_malformed"),
    ],
)
def test_a_token_for_another_or_of_another_time_is_refused(claims, slug):
    """A token of Zoho's for somebody else's webhook, or one that is over, proves nothing here."""
    assert refusal(claims) == slug


def test_a_token_that_is_not_signed_with_rs256_is_refused():
    """`none`, HS256 with the public key, and texts that are no tokens are refused before any key is asked."""
    header = _encoded(b'{"alg":"none"}')
    body = write_token(CLAIMS, PRIVATE).split(".")[1]
    for token in (
        "abc",
        "a.b.c",
        f"{header}.{body}.",
        f"{_encoded(b'[]')}.{body}.AAAA",
        "\u00e4.\u00e4.\u00e4",
    ):
        assert refusal(token=token) == "header_malformed"


def test_a_token_of_another_key_is_refused():
    """A signature that is not from the named key, and a key nobody knows, have slugs of their own."""
    head, body, _ = write_token(CLAIMS, PRIVATE).split(".")
    assert refusal(token=f"{head}.{body}.AAAA") == "signature_mismatch"
    unknown = _encoded(b'{"alg":"RS256","kid":"key-9"}')
    assert refusal(token=f"{unknown}.{body}.AAAA") == "key_unavailable"


def test_published_keys_are_asked_with_the_data_centre_and_only_for_our_tokens():
    """Without a file the data centre's keys count; a token for somebody else makes nobody fetch them."""
    asked, publisher = [], Publisher(JWKS)
    keys = PublishedKeys(URL, publisher)
    keys.for_token(None, NOW)
    settled(keys)

    def published(dc):
        asked.append(dc)
        return keys

    scheme = ZohoScheme(published)
    source = replace(SOURCE, options={"org_id": "1", "webhook_id": "2", "dc": "eu"})
    scheme.verify(request_of([], {"X-ZDesk-JWT": write_token(CLAIMS, PRIVATE)}), source, NOW)
    stranger = request_of([], {"X-ZDesk-JWT": write_token(CLAIMS | {"iss": "orgId:9"}, PRIVATE)})
    with pytest.raises(Rejected):
        scheme.verify(stranger, source, NOW)
    assert asked == ["eu"]


class Publisher:
    """Answers with what it is told to, and counts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, _url):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def settled(keys):
    """Wait for the fetch that is under way."""
    if keys._fetching is not None:
        keys._fetching.result()


def test_keys_are_fetched_once_an_hour():
    """Known keys are not fetched anew for each delivery, and are after an hour."""
    publisher = Publisher(JWKS)
    keys = PublishedKeys(URL, publisher)
    keys.for_token("key-1", NOW)
    settled(keys)
    for minutes in (0, 1, 59):
        assert len(keys.for_token("key-1", NOW + timedelta(minutes=minutes))) == 1
    assert publisher.asked == 1
    keys.for_token("key-1", NOW + timedelta(minutes=61))
    settled(keys)
    assert publisher.asked == 2


def test_a_key_id_not_seen_yet_is_asked_for_at_most_once_a_minute():
    """Zoho's new key is found at once, and a stranger's made-up one costs one request a minute."""
    publisher = Publisher(b'{"keys": []}', JWKS)
    keys = PublishedKeys(URL, publisher)
    for seconds in (0, 59):
        assert not keys.for_token("key-1", NOW + timedelta(seconds=seconds))
        settled(keys)
    keys.for_token("key-1", NOW + timedelta(seconds=60))
    settled(keys)
    assert len(keys.for_token("key-1", NOW + timedelta(seconds=61))) == 1
    assert publisher.asked == 2


def test_a_clock_that_is_set_back_keeps_nobody_from_asking():
    """After a failed fetch, and where the keys seem to be of later than now, they are fetched."""
    publisher = Publisher(OSError("away"), JWKS)
    keys = PublishedKeys(URL, publisher)
    for hours_back in (0, 6, 12):
        keys.for_token("key-1", NOW - timedelta(hours=hours_back))
        settled(keys)
    assert publisher.asked == 3
    assert len(keys.for_token("key-1", NOW - timedelta(hours=12))) == 1


def test_known_keys_outlive_a_failing_address():
    """Where the address fails or answers nonsense, the keys known before go on counting."""
    publisher = Publisher(
        JWKS, OSError("away"), b"<html>", b"[1]", b'{"keys": [{"kty": "RSA", "n": "", "e": 7}]}'
    )
    keys = PublishedKeys(URL, publisher)
    keys.for_token("key-1", NOW)
    settled(keys)
    for hours in range(5):
        assert len(keys.for_token("key-1", NOW + timedelta(hours=2 * hours))) == 1
        settled(keys)
    assert publisher.asked == 5


def test_what_cannot_be_told_yet_is_undecided():
    """A key that may be among those that are being fetched, or could not be, is not refused yet. One that the
    publisher does not have is.
    """
    released = threading.Event()

    def slow(_url):
        released.wait()
        return JWKS

    source = replace(SOURCE, options={"org_id": "1", "webhook_id": "2"})
    request = request_of([], {"X-ZDesk-JWT": write_token(CLAIMS, PRIVATE)})
    keys = PublishedKeys(URL, slow)
    scheme = ZohoScheme(lambda _: keys)
    for _ in range(2):
        with pytest.raises(Undecided) as open_yet:
            scheme.verify(request, source, NOW)
        assert open_yet.value.under_way is keys._fetching
    released.set()
    settled(keys)
    scheme.verify(request, source, NOW)
    _, body, _ = write_token(CLAIMS, PRIVATE).split(".")
    head = _encoded(b'{"alg":"RS256","kid":"key-9"}')
    unknown = request_of([], {"X-ZDesk-JWT": f"{head}.{body}.AAAA"})
    with pytest.raises(Rejected) as refused:
        scheme.verify(unknown, source, NOW)
    assert not isinstance(refused.value, Undecided)
    keys.fetch = Publisher(OSError("away"))
    with pytest.raises(Undecided):
        scheme.verify(unknown, source, NOW + timedelta(minutes=1))
    settled(keys)
    with pytest.raises(Undecided) as failed:
        scheme.verify(unknown, source, NOW + timedelta(minutes=1))
    assert failed.value.under_way is None


def test_a_changed_file_is_read_anew(tmp_path):
    """Keys that an administrator replaces on disk count without a restart."""
    path = tmp_path / "jwks.json"
    path.write_bytes(b'{"keys": []}')
    assert not keys_of_file(str(path))
    path.write_bytes(JWKS)
    assert len(keys_of_file(str(path))) == 1


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"{}", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b"[" * 100_000]
)
def test_what_is_no_key_set_has_no_keys(text):
    """Any bytes at all: no keys, no exception."""
    assert not parse_keys(text)
