"""`send` and `explain`: trying a source out."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import httpx

from service import demo
from service.cli import told
from service.cli.opened import tool_settings
from service.cli.told import Ended
from service.clock import SystemClock
from service.domain.decide import Decision, Hold, Ignore
from service.explain import Explained, NotARequest, as_line, request_from
from service.explain import explain as explain_request
from service.settings import Secret, Settings, SettingsError, SourceSettings, load_source
from service.settings.tables import nearest
from service.sources import KINDS, CannotSign

ANSWER_SECONDS = 15.0


def send(
    name: str,
    *,
    url: str | None,
    event_id: str | None,
    signing_key: Path | None,
    as_json: bool,
    **sample: Any,
) -> None:
    settings = tool_settings()
    source = _source(settings, name)
    if not source.secrets and KINDS[source.kind].needs_secret:
        raise Ended(f"the secret of source {name} is not set; reopener check names its variable", status=2)
    origin = (url or _origin(settings)).rstrip("/")
    try:
        request = KINDS[source.kind].sample(
            source,
            url=f"{origin}/webhooks/{name}",
            now=SystemClock().now(),
            event_id=event_id or f"sample-{uuid4().hex}",
            signing_key=signing_key.read_text("ascii") if signing_key else None,
            **sample,
        )
    except CannotSign as error:
        raise Ended(f"{error}: give its private key with --signing-key", status=2) from None
    try:
        answer = httpx.post(
            request.url,
            content=request.body,
            headers=dict(request.headers),
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )
    except httpx.TransportError as error:
        raise Ended(
            f"nobody answers at {origin} ({type(error).__name__}): is the receiver running?"
        ) from None
    if as_json:
        told.as_json({"http_status": answer.status_code, "answer": _json_of(answer)})
    else:
        click.echo(f"{answer.status_code} {answer.text}")
    if answer.status_code != httpx.codes.OK:
        raise Ended("it was not taken; the answer says why")


def explain(
    name: str | None,
    files: Sequence[Path],
    *,
    kind: str | None,
    secret_env: str | None,
    changes: Sequence[str],
    now: str | None,
    as_json: bool,
) -> None:
    if kind is not None and name is not None:
        # With --kind there is no source to name: what stands in its place is the first file.
        files, name = (Path(name), *files), None
    if not files:
        raise Ended("name at least one FILE with a request", status=2)
    unproven: list[str] = []
    source = _configured(kind, secret_env, changes, unproven) if kind else _changed(name or "", changes)
    for fault in unproven:
        click.echo(f"reopener: {fault}", err=True)
    moment = _moment(now) if now else SystemClock().now()
    faulty = False
    for file in files:
        try:
            request = request_from(file.read_text("utf-8"))
        except (NotARequest, OSError, UnicodeDecodeError) as error:
            click.echo(f"reopener: {file}: {error}", err=True)
            faulty = True
            continue
        explained = explain_request(KINDS[source.kind], source, request, moment, unproven=unproven)
        if as_json:
            told.as_json(as_line(explained))
        else:
            _tell(file, source, explained)
    if faulty:
        raise Ended


def _source(settings: Settings, name: str) -> SourceSettings:
    if name in settings.sources:
        return settings.sources[name]
    kept = settings.data_dir / "demo-secret"
    if name == demo.SOURCE and kept.is_file():
        return SourceSettings(name=name, kind="standard", secrets=(Secret(kept.read_text("utf-8")),))
    hint = nearest(name, settings.sources)
    raise Ended(f"there is no source {name}" + hint, status=2)


def _origin(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - a comparison
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _configured(
    kind: str, secret_env: str | None, changes: Sequence[str], unproven: list[str]
) -> SourceSettings:
    """A source without any configuration; what keeps it from verifying anything is noted in `unproven`."""
    if kind not in KINDS:
        hint = nearest(kind, KINDS)
        raise Ended(f"there is no kind {kind}" + hint, status=2)
    table: dict[str, Any] = {"kind": kind, **({"secret_env": secret_env} if secret_env else {})}
    return _load_source("explained", table, changes, unproven)


def _changed(name: str, changes: Sequence[str]) -> SourceSettings:
    """A configured source, with some keys of its table changed."""
    settings = tool_settings()
    source = _source(settings, name)
    if not changes:
        return source
    path = Path(os.environ.get("REOPENER_CONFIG") or "reopener.toml")
    document = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    table = document.get("sources", {}).get(name, {"kind": source.kind})
    return replace(_load_source(name, table, changes), secrets=source.secrets)


def _load_source(
    name: str, table: dict[str, Any], changes: Sequence[str], unproven: list[str] | None = None
) -> SourceSettings:
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key:
            raise Ended(f"--set takes KEY=VALUE, not {change!r}", status=2)
        *parents, last = key.split(".")
        place = table
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value if parents else _value(last, value)
    try:
        return load_source(name, table, os.environ, unproven=unproven)
    except SettingsError as error:
        raise Ended(*error.faults, status=2) from None


def _value(key: str, text: str) -> Any:
    """The text itself; a TOML value where the key takes a number, or where it is written as a list or string.

    Ids like 700123 stay text, as a person means them.
    """
    if key not in _NUMBERS and not text.startswith(("[", '"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


_NUMBERS = frozenset({"tolerance_seconds"})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Ended(f"--now takes a time like 2026-11-23T10:00:00Z, not {text!r}", status=2) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _tell(file: Path, source: SourceSettings, explained: Explained) -> None:
    """Step by step, for a person."""
    click.echo(f"{file}")
    if explained.verified:
        click.echo("  verified   yes")
    else:
        click.echo(f"  verified   no: {explained.reason}")
    if explained.hint:
        click.echo(f"             {explained.hint}")
    if explained.malformed:
        click.echo(f"  read       no: {explained.malformed}")
        click.echo(f"             {explained.mend}")
    if explained.probe:
        click.echo(f"  probe      {explained.probe}: a set-up request, nothing to do")
    for event, decision in explained.events:
        told.facts(
            [
                ("  event", event.event_id or "(blank)"),
                ("  type", event.type or None),
                ("  ticket", event.ticket_id),
                ("  status", event.ticket_status),
                ("  author", event.author or "unknown"),
                ("  e-mail", event.customer_email),
                ("  contact", event.contact_id or f"not in the payload: link table{_lookup(source)}"),
                ("  thread", event.thread_id or f"not in the payload: link table{_lookup(source)}"),
                ("  text", event.text),
                ("  happened", event.occurred_at),
                ("  decision", _decided(decision)),
            ]
        )


def _lookup(source: SourceSettings) -> str:
    return ", then the customer's address" if source.lookup == "email" else ""


def _decided(decision: Decision) -> str:
    match decision:
        case Ignore(reason, sentence):
            return f"ignore ({reason}): {sentence}"
        case Hold(reason, detail):
            return f"hold ({reason}): {detail}"
    return "accept"
