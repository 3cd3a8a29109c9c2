"""What tests of the kinds are made of: sources, requests and fixtures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from service.settings.model import Secret, SourceSettings
from service.sources import Request

FIXTURES = Path(__file__).parents[2] / "fixtures"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
URL = "https://hooks.example.test/webhooks/desk"


def source_of(
    kind: str,
    *secrets: str,
    tolerance_seconds: float = 300,
    map: Mapping[str, str] | None = None,  # noqa: A002  # the name of the table
    **options: object,
) -> SourceSettings:
    return SourceSettings(
        name="desk",
        kind=kind,
        secrets=tuple(Secret(secret) for secret in secrets),
        tolerance_seconds=tolerance_seconds,
        map=map or {},
        options=options,
    )


def request_of(
    body: object = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    url: str = URL,
) -> Request:
    return Request(
        method=method,
        url=url,
        headers={name.lower(): value for name, value in (headers or {}).items()},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        query=dict(parse_qsl(urlsplit(url).query)),
    )


def signature_cases() -> list[tuple[str, dict]]:
    """Every published signature: the kind it is of, and the case."""
    return [
        (path.stem, case)
        for path in sorted((FIXTURES / "signatures").glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))
    ]


def payload_cases() -> list[tuple[str, dict]]:
    """Every published payload: the kind it is of, and the case with the values to be read from it."""
    return [
        (path.stem, case)
        for path in sorted((FIXTURES / "payloads").glob("*.json"))
        for case in json.loads(path.read_text("utf-8"))
    ]
