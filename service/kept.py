"""What is kept of a delivery, where a setting says so, to explain it later: never what proves who sent it.

Kept are method, address, headers and body as they came. The values of headers that hold a signature or a
secret are left out, and all values of the address' query; so a kept request cannot be sent again by whoever
reads it. Bodies hold customers' words, so nothing is kept by default.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from service.ledger.requests import KeptRequest
from service.sources.base import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.notes import Notes
    from service.settings import SourceSettings

LARGEST_KEPT_BODY_BYTES = 65_536
LEFT_OUT = "(not kept)"


Keep: TypeAlias = "Callable[[Request, SourceSettings, str, int], None]"
"""Takes an authentic request, its source, the delivery's id and the time in unix ms."""


def keep_nothing(_request: Request, _source: SourceSettings, _delivery_id: str, _now_ms: int) -> None:
    """As it is where no setting says otherwise."""


def keep_in(notes: Notes[KeptRequest]) -> Keep:
    """Keeps requests without what proves who sent them; those with large bodies are not kept."""

    def keep(request: Request, source: SourceSettings, delivery_id: str, now_ms: int) -> None:
        if len(request.body) <= LARGEST_KEPT_BODY_BYTES:
            notes.add(KeptRequest(delivery_id, source.name, now_ms, packed(without_proof(request, source))))

    return keep


def without_proof(request: Request, source: SourceSettings) -> Request:
    """The request without the values that prove who sent it, and without any secret of the source."""
    secrets = [secret.reveal() for secret in source.secrets]
    named = {str(source.options.get(option, "")).lower() for option in ("header", "query")}

    def shown(name: str, value: str) -> str:
        proves = name in named or (_PROVES.search(name) and not _TELLS_TIME.search(name))
        return LEFT_OUT if proves or any(secret in value for secret in secrets) else value

    return replace(
        request,
        url=urlsplit(request.url)._replace(query="&".join(request.query), fragment="").geturl(),
        headers={name: shown(name, value) for name, value in request.headers.items()},
        query=dict.fromkeys(request.query, LEFT_OUT),
    )


def packed(request: Request) -> bytes:
    """The request as it is stored."""
    told = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "query": dict(request.query),
        "body": request.body.decode("latin-1"),
    }
    return zlib.compress(json.dumps(told).encode())


def unpacked(content: bytes) -> Request:
    told = json.loads(zlib.decompress(content))
    return Request(**{**told, "body": told["body"].encode("latin-1")})


_PROVES = re.compile(r"signature|authorization|secret|token|key|jwt|cookie|passw|credential")
_TELLS_TIME = re.compile(r"-time(stamp)?$")
