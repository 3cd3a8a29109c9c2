"""A working source of every kind and variant, with what its helpdesk signs with."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from service.settings.model import Secret, SourceSettings
from service.sources import KINDS, Kind
from service.sources.parts.jwt import _encoded
from tests.unit.sources.deliveries import NOW, URL, source_of

SECRET = "test-secret-of-nobody-0123456789"
OTHER_SECRET = "another-secret-of-nobody-987654321"
MAP = {"contact_id": "ours.contact_id", "thread_id": "ours.thread_id"}


@dataclass(frozen=True)
class Configured:
    """`proves_body`: the scheme covers the body; `proves_time`: it covers a time."""

    name: str
    source: SourceSettings
    other_secret: str = OTHER_SECRET
    signing_key: str | None = None
    proves_body: bool = True
    proves_time: bool = True

    @property
    def kind(self) -> Kind:
        return KINDS[self.source.kind]

    def sample(self, source=None, *, now=NOW, event_id="evt_1", **values):
        return self.kind.sample(
            source or self.source,
            url=URL,
            now=now,
            event_id=event_id,
            signing_key=self.signing_key,
            **values,
        )

    def with_secrets(self, *secrets) -> SourceSettings:
        return replace(self.source, secrets=tuple(Secret(secret) for secret in secrets))

    def with_map(self, **expressions) -> SourceSettings:
        return replace(self.source, map=expressions)


@cache
def rsa_keys_of(_who: str) -> tuple[str, str, str]:
    """Private key in PEM, public key in PEM, and the path of a file with the public key as JWKS."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": "key-1", "n": _encoded(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
    path = Path(_folder(), f"{numbers.n % 2**32}.json")
    path.write_text(json.dumps({"keys": [jwk]}))
    return private.decode(), public.decode(), str(path)


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return folder


def _configured() -> list[Configured]:
    private, public, jwks_file = rsa_keys_of("the helpdesk")
    dated = {"map": MAP}
    undated = {"proves_time": False}
    open_ = {"proves_time": False, "proves_body": False}
    stamped = {"header": "x-sig", "signed_content": "{timestamp}.{body}", "timestamp_header": "x-time"}
    return [
        Configured(
            "standard", source_of("standard", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"), "whsec_c2VjcmV0"
        ),
        Configured("zendesk", source_of("zendesk", SECRET, **dated)),
        Configured("intercom", source_of("intercom", SECRET, map=MAP), **undated),
        Configured("freshdesk", source_of("freshdesk", f"user:{SECRET}", auth="basic", map=MAP), **open_),
        Configured("freshservice", source_of("freshservice", SECRET, header="X-Key", map=MAP), **open_),
        Configured("freshchat", source_of("freshchat", public, map=MAP), signing_key=private, **undated),
        Configured("helpscout", source_of("helpscout", SECRET, map=MAP), **undated),
        Configured("front-app", source_of("front", SECRET, variant="app", map=MAP)),
        Configured("front-both", source_of("front", SECRET, variant="both", map=MAP)),
        Configured("front-rule", source_of("front", SECRET, variant="rule", map=MAP), **undated),
        Configured("hubspot", source_of("hubspot", SECRET, map={**MAP, "author": "'customer'"})),
        Configured("gorgias", source_of("gorgias", SECRET, auth="query", query="key", map=MAP), **open_),
        Configured("kustomer", source_of("kustomer", SECRET, map=MAP), **undated),
        Configured("jira", source_of("jira", SECRET, map=MAP), **undated),
        Configured("crisp-plugin", source_of("crisp", SECRET, map=MAP)),
        Configured("crisp-website", source_of("crisp", SECRET, auth="query", query="key", map=MAP), **open_),
        Configured("chatwoot", source_of("chatwoot", SECRET, map=MAP)),
        Configured("gladly", source_of("gladly", SECRET, map=MAP)),
        Configured("gladly-basic", source_of("gladly", f"u:{SECRET}", auth="basic", map=MAP), **open_),
        Configured("dixa", source_of("dixa", "00ff" * 8, map=MAP), "ab" * 16),
        Configured(
            "zoho-desk",
            source_of("zoho-desk", org_id="1", webhook_id="2", jwks_file=jwks_file, map=MAP),
            signing_key=private,
            proves_body=False,
        ),
        Configured("acquire", source_of("acquire", SECRET), **undated),
        Configured("hmac", source_of("hmac", SECRET, header="x-sig", id_header="x-id"), **undated),
        Configured("hmac-stamped", source_of("hmac", SECRET, **stamped)),
        Configured("static", source_of("static", SECRET, auth="header", header="X-Api-Key"), **open_),
    ]


CONFIGURED = _configured()
