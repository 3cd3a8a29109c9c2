"""`check`, `list` and `show`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from service import views
from service.check import check as find_faults
from service.cli.opened import with_ledger
from service.cli.told import Ended, as_json, facts, table
from service.clock import SystemClock
from service.data_folder import kept
from service.domain.errors import NotFound
from service.domain.reopens import Page, Reopen, Status
from service.ledger import Ledger
from service.ledger.listing import Wanted
from service.settings import Settings, SettingsError, load

COLUMNS = ("received", "status", "reason", "source", "ticket", "thread", "case", "id")


def check(*, as_json: bool) -> None:
    settings: Settings | SettingsError
    environ = dict(os.environ)
    _add_kept_token(environ)
    try:
        settings = load(environ, role="tool", cwd=Path.cwd())
    except SettingsError as error:
        settings = error
    findings = asyncio.run(find_faults(settings, clock=SystemClock()))
    for finding in findings:
        if as_json:
            _json(asdict(finding))
        else:
            click.echo(f"{finding.severity}: {finding.message}\n    {finding.mend}")
    if not findings and not as_json:
        click.echo("Nothing to mend.")
    if isinstance(settings, SettingsError):
        raise Ended(status=2)
    if any(finding.severity == "error" for finding in findings):
        raise Ended(status=1)


def list_reopens(
    *, status: str | None, source: str | None, q: str | None, limit: int, everything: bool, as_json: bool
) -> None:
    if status is not None and status not in {each.value for each in Status}:
        raise Ended(f"--status must be one of {', '.join(each.value for each in Status)}", status=2)
    wanted = Wanted(status=Status(status) if status else None, source=source, prefix=q)

    async def pages(ledger: Ledger) -> list[Reopen]:
        found: list[Reopen] = []
        cursor: str | None = None
        while True:
            page: Page = await ledger.listing.page(wanted, cursor=cursor, limit=limit)
            found += page.reopens
            cursor = page.next_cursor
            if cursor is None or not everything:
                return found

    told = [views.reopen(record) for record in with_ledger(pages)]
    if as_json:
        for each in told:
            _json(each)
    elif told:
        table(COLUMNS, [_row(each) for each in told])
    else:
        click.echo("None.", err=True)


def show(reopen_id: str, *, as_json: bool) -> None:
    async def found(ledger: Ledger) -> Reopen:
        record = await ledger.reads.reopen(reopen_id)
        if record is None:
            raise NotFound(f"there is no reopen {reopen_id}; `reopener list --q PREFIX` searches all ids")
        return record

    told = views.reopen(with_ledger(found))
    if as_json:
        _json(told)
        return
    facts(
        [
            ("reopen", told["id"]),
            ("status", told["status"]),
            ("reason", told["reason"]),
            ("detail", told["detail"]),
            ("source", told["source"]),
            ("event", told["event_id"]),
            ("ticket", told["ticket_id"]),
            ("contact", told["contact_id"]),
            ("thread", told["thread_id"]),
            ("new case", told["new_case_id"]),
            ("deliveries", told["deliveries"]),
            ("received", told["created_at"]),
            ("changed", told["updated_at"]),
            ("next look or attempt", told["next_attempt_at"]),
            ("again of", told["again_of"]),
        ]
    )
    if told["attempts"]:
        click.echo()
        heads = ("no.", "began", "ended", "outcome", "http", "error", "calls")
        table(heads, [_attempt_row(attempt) for attempt in told["attempts"]])


def _row(told: dict[str, Any]) -> tuple[object, ...]:
    return (
        told["created_at"],
        told["status"],
        told["reason"],
        told["source"],
        told["ticket_id"],
        told["thread_id"],
        told["new_case_id"],
        told["id"],
    )


def _attempt_row(attempt: dict[str, Any]) -> tuple[object, ...]:
    calls = ", ".join(f"{call['name']} {call['duration_ms']} ms" for call in attempt["calls"])
    return (
        attempt["number"],
        attempt["started_at"],
        attempt["ended_at"],
        attempt["outcome"],
        attempt["http_status"],
        attempt["error"],
        calls or None,
    )


def _add_kept_token(environ: dict[str, str]) -> None:
    """Beside `reopener run` the admin token is the one that it made and keeps."""
    token = kept(Path(environ.get("REOPENER_DATA_DIR") or ".reopener") / "admin-token")
    if token is not None and not environ.get("REOPENER_ADMIN_TOKEN"):
        environ["REOPENER_ADMIN_TOKEN"] = token


_json = as_json
