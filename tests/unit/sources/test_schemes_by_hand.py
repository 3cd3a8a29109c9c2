"""Each scheme against the same sum done by hand, as its vendor's documentation tells it.

A sample that a kind signs and verifies itself would agree with itself also where both are wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode

import pytest

from service.sources import Rejected
from service.sources.parts.signatures import decode_base64
from tests.unit.sources.configured import CONFIGURED
from tests.unit.sources.deliveries import NOW, request_of

BY_NAME = {one.name: one for one in CONFIGURED}
BODY = json.dumps({"any": "body", "with": "\u00e4"}, ensure_ascii=False).encode()
SECONDS = str(int(NOW.timestamp())).encode()
MILLISECONDS = SECONDS + b"000"
ISO = b"2026-11-23T10:00:00Z"


def hexed(key, content, name="sha256"):
    return hmac.new(key, content, name).hexdigest()


def based(key, content, name="sha256"):
    return b64encode(hmac.new(key, content, name).digest()).decode()


BY_HAND = {
    "standard": lambda key: {
        "webhook-id": "msg_1",
        "webhook-timestamp": SECONDS.decode(),
        "webhook-signature": "v1,"
        + based(b64decode(key.removeprefix(b"whsec_")), b"msg_1." + SECONDS + b"." + BODY),
    },
    "zendesk": lambda key: {
        "X-Zendesk-Webhook-Signature": based(key, ISO + BODY),
        "X-Zendesk-Webhook-Signature-Timestamp": ISO.decode(),
    },
    "intercom": lambda key: {"X-Hub-Signature": "sha1=" + hexed(key, BODY, "sha1")},
    "helpscout": lambda key: {"X-HelpScout-Signature": based(key, BODY, "sha1")},
    "front-app": lambda key: {
        "X-Front-Signature": based(key, MILLISECONDS + b":" + BODY),
        "X-Front-Request-Timestamp": MILLISECONDS.decode(),
    },
    "front-rule": lambda key: {"X-Front-Signature": based(key, BODY, "sha1")},
    "kustomer": lambda key: {"X-Kustomer-Webhook-Signature": hexed(key, BODY)},
    "jira": lambda key: {"X-Hub-Signature": "sha256=" + hexed(key, BODY)},
    "crisp-plugin": lambda key: {
        "X-Crisp-Signature": hexed(key, b"[" + MILLISECONDS + b";" + BODY + b"]"),
        "X-Crisp-Request-Timestamp": MILLISECONDS.decode(),
    },
    "dixa": lambda key: {
        "X-DIXA-SIGNATURE": f"t={MILLISECONDS.decode()},v1="
        + hexed(bytes.fromhex(key.decode()), MILLISECONDS + b"." + BODY)
    },
    "acquire": lambda key: {"x-acquire-signature": hexed(key, BODY)},
    "hmac": lambda key: {"x-sig": hexed(key, BODY)},
    "hmac-stamped": lambda key: {"x-sig": hexed(key, SECONDS + b"." + BODY), "x-time": SECONDS.decode()},
    "static": lambda key: {"X-Api-Key": key.decode()},
    "freshdesk": lambda key: {"Authorization": "Basic " + b64encode(key).decode()},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_signature_done_by_hand_is_accepted(name):
    """What the documentation's own steps give is authentic."""
    one = BY_NAME[name]
    headers = BY_HAND[name](one.source.secrets[0].reveal().encode())
    one.kind.verify(request_of(BODY, headers), one.source, NOW)


@pytest.mark.parametrize("hash_name", ["sha1", "sha256", "sha384", "sha512"])
def test_jiras_prefix_names_the_hash(hash_name):
    """Any of WebSub's methods may stand before the signature."""
    one = BY_NAME["jira"]
    key = one.source.secrets[0].reveal().encode()
    headers = {"X-Hub-Signature": f"{hash_name}={hexed(key, BODY, hash_name)}"}
    one.kind.verify(request_of(BODY, headers), one.source, NOW)


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        (b'{"a": 1, "b": "\\u00e4"}', '{"a":1,"b":"\u00e4"}'.encode()),
        (b'{ "a" : [1, 2] }', b'{"a":[1,2]}'),
    ],
)
def test_acquire_may_sign_what_javascript_would_write(sent, signed):
    """Acquire signs JSON.stringify of the body: a body written otherwise is authentic all the same."""
    one = BY_NAME["acquire"]
    key = one.source.secrets[0].reveal().encode()
    one.kind.verify(request_of(sent, {"x-acquire-signature": hexed(key, signed)}), one.source, NOW)


@pytest.mark.parametrize(
    ("version", "content"), [("v1", b""), ("v2", b"POSThttps://hooks.example.test/webhooks/desk")]
)
def test_hubspots_older_versions(version, content):
    """v1 and v2 are plain hashes over the secret and what follows."""
    one = BY_NAME["hubspot"]
    key = one.source.secrets[0].reveal().encode()
    signature = hashlib.sha256(key + content + BODY).hexdigest()
    headers = {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}
    one.kind.verify(request_of(BODY, headers), one.source, NOW)


@pytest.mark.parametrize(
    ("name", "header"), [("intercom", "x-hub-signature"), ("jira", "x-hub-signature"), ("hmac", "x-sig")]
)
def test_hex_in_either_case(name, header):
    """A signature in hex counts in capitals too."""
    one = BY_NAME[name]
    request = one.sample()
    prefix, mark, digits = request.headers[header].rpartition("=")
    request.headers[header] = prefix + mark + digits.upper()
    one.kind.verify(request, one.source, NOW)


@pytest.mark.parametrize("name", ["intercom", "jira"])
def test_a_signature_without_what_stands_before_it(name):
    """Where the vendor names the hash before the signature, one that names none is refused."""
    one = BY_NAME[name]
    request = one.sample()
    request.headers["x-hub-signature"] = request.headers["x-hub-signature"].rpartition("=")[2]
    with pytest.raises(Rejected):
        one.kind.verify(request, one.source, NOW)


@pytest.mark.parametrize("text", ["c2Vj!cmV0", "c2Vj cmV0", "c2VjcmV0-_", "=", "c"])
def test_base64_is_strict(text):
    """A secret with other characters than base64's is none: it would be another key elsewhere."""
    assert not decode_base64(text)
