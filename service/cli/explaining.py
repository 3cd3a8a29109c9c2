"""`explain`: recorded requests, or the deliveries that are kept, step by step and without any effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from service.cli import told
from service.cli.chosen import settings_and_source, source_changed, source_of_kind
from service.cli.opened import with_ledger
from service.cli.told import Ended
from service.clock import SystemClock
from service.domain.decide import Decision, Hold, Ignore
from service.explain import Explained, NotARequest, as_line, request_from
from service.explain import explain as explain_request
from service.settings import SourceSettings
from service.sources import KINDS
from service.stored import compared, explained


def explain(
    name: str | None,
    files: Sequence[Path],
    *,
    kind: str | None,
    secret_env: str | None,
    config: Path | None,
    changes: Sequence[str],
    now: str | None,
    stored: bool,
    as_json: bool,
) -> None:
    if kind is not None and name is not None:
        # With --kind there is no source to name: what stands in its place is the first file.
        files, name = (Path(name), *files), None
    if stored:
        _explain_stored(name, config, changes, as_json=as_json)
        return
    if not files:
        raise Ended("name at least one FILE with a request, or say --stored", status=2)
    unproven: list[str] = []
    if kind is not None:
        source, unproven = source_of_kind(kind, secret_env, changes)
    else:
        source = source_changed(settings_and_source(name or "")[1], config, changes)
    for fault in unproven:
        click.echo(f"reopener: {fault}", err=True)
    _explain_files(files, source, _moment(now) if now else SystemClock().now(), unproven, as_json=as_json)


def _explain_files(
    files: Sequence[Path], source: SourceSettings, moment: datetime, unproven: Sequence[str], *, as_json: bool
) -> None:
    faulty = False
    for file in files:
        try:
            request = request_from(file.read_text("utf-8"))
        except (NotARequest, OSError, UnicodeDecodeError) as error:
            click.echo(f"reopener: {file}: {error}", err=True)
            faulty = True
            continue
        found = explain_request(KINDS[source.kind], source, request, moment, unproven=unproven)
        if as_json:
            told.as_json(as_line(found))
        else:
            _tell(str(file), source, found)
    if faulty:
        raise Ended


def _explain_stored(name: str | None, config: Path | None, changes: Sequence[str], *, as_json: bool) -> None:
    """All that is kept of a source; where something is changed, only what that makes different."""
    if name is None:
        raise Ended("--stored needs the name of a configured source", status=2)
    _, source = settings_and_source(name)
    after = source_changed(source, config, changes)
    if after == source:
        lines = with_ledger(lambda ledger: explained(ledger, source))
        for kept, found in lines:
            if as_json:
                told.as_json(kept | as_line(found))
            else:
                _tell(f"{kept['received_at']}  {kept['delivery_id']}", source, found)
        click.echo(f"{len(lines)} deliveries are kept", err=True)
        return
    result = with_ledger(lambda ledger: compared(ledger, source, after))
    if as_json:
        told.as_json(result)
    else:
        _tell_differences(result)


def _tell_differences(result: dict[str, Any]) -> None:
    for delivery in result["deliveries"]:
        click.echo(f"{delivery['received_at']}  {delivery['delivery_id']}")
        for one in delivery["differences"]:
            click.echo(f"  {one['field']}")
            click.echo(f"    - {told.shown(one['before'])}")
            click.echo(f"    + {told.shown(one['after'])}")
    changes = ", ".join(f"{count} {change}" for change, count in result["decisions"].items())
    click.echo(f"{result['differ']} of {result['compared']} differ" + (f": {changes}" if changes else ""))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Ended(f"--now takes a time like 2026-11-23T10:00:00Z, not {text!r}", status=2) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tell(title: str, source: SourceSettings, explained: Explained) -> None:
    """Step by step, for a person."""
    click.echo(title)
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
