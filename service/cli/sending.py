"""`send`: a realistic sample of a helpdesk's delivery, signed, to a running receiver or to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import httpx

from service.cli import told
from service.cli.chosen import source_named, source_of_kind
from service.cli.opened import tool_settings
from service.cli.told import Ended
from service.clock import SystemClock
from service.explain import as_file
from service.listening import reachable
from service.settings import Settings, SourceSettings
from service.sources import KINDS, CannotSign, Request

ANSWER_SECONDS = 15.0


def send(
    name: str,
    *,
    url: str | None,
    secret_env: str | None,
    changes: Sequence[str],
    only_print: bool,
    as_json: bool,
    **sample: Any,
) -> None:
    settings = tool_settings()
    if only_print and name in KINDS and (secret_env or changes):
        source, unproven = source_of_kind(name, secret_env, changes)
        if unproven:
            raise Ended(*unproven, status=2)
    else:
        source = source_named(settings, name)
    origin = (url or _origin(settings)).rstrip("/")
    request = _signed(source, origin, **sample)
    if only_print:
        told.as_json(as_file(request))
        return
    answer = _posted(request, origin)
    if as_json:
        told.as_json({"http_status": answer.status_code, "answer": _json_of(answer)})
    else:
        click.echo(f"{answer.status_code} {answer.text}")
    if answer.status_code != httpx.codes.OK:
        raise Ended("it was not taken; the answer says why")


def _signed(
    source: SourceSettings, origin: str, *, event_id: str | None, signing_key: Path | None, **sample: Any
) -> Request:
    kind = KINDS[source.kind]
    if not source.secrets and kind.needs_secret:
        raise Ended(
            f"the secret of source {source.name} is not set here: set the variable that its secret_env names",
            status=2,
        )
    try:
        for text in (event_id, *sample.values()):
            str(text).encode("utf-8")
        return kind.sample(
            source,
            url=f"{origin}/webhooks/{source.name}",
            now=SystemClock().now(),
            event_id=event_id or f"sample-{uuid4().hex}",
            signing_key=signing_key.read_text("ascii") if signing_key else None,
            **sample,
        )
    except UnicodeDecodeError:
        raise Ended(f"{signing_key} holds no private key in PEM", status=2) from None
    except UnicodeEncodeError:
        raise Ended("a message or an id is not UTF-8", status=2) from None
    except CannotSign as error:
        raise Ended(f"{error}: give its private key with --signing-key", status=2) from None


def _posted(request: Request, origin: str) -> httpx.Response:
    try:
        return httpx.post(
            request.url,
            content=request.body,
            headers=dict(request.headers),
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Ended(
            f"nobody answers at {origin} ({type(error).__name__}): is the receiver running?"
            " --url or REOPENER_PORT tells where it is"
        ) from None


def _origin(settings: Settings) -> str:
    return f"http://{reachable(settings.host)}:{settings.port}"


def _json_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
