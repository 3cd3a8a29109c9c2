"""`export` and `import`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service import views
from service.cli import told
from service.cli.acting import by
from service.cli.opened import with_ledger
from service.cli.told import Ended
from service.domain.reopens import Status
from service.ledger.copies import NotAnExport, TakenIn
from service.ledger.listing import Wanted

if TYPE_CHECKING:
    from service.ledger import Ledger


def export(*, since: str | None, until: str | None, status: str | None, source: str | None) -> None:
    wanted = Wanted(
        status=Status(status) if status else None,
        source=source,
        since_ms=_ms("--from", since),
        until_ms=_ms("--to", until),
    )
    if wanted.since_ms is not None and wanted.until_ms is not None and wanted.since_ms >= wanted.until_ms:
        raise Ended("--to must be later than --from", status=2)

    async def write(ledger: Ledger) -> None:
        async for line, record in ledger.copies.lines(wanted):
            shown = line if record is None else line | {"reopen": views.reopen(record)}
            told.as_json(shown)

    with_ledger(write)


def take_in(file: Path, *, as_json: bool) -> None:
    async def read(ledger: Ledger) -> TakenIn:
        done = await ledger.copies.take_in(_lines(file))
        await ledger.audit.note(by(), "import", "an export", count=done.reopens)
        return done

    try:
        done = with_ledger(read)
    except NotAnExport as fault:
        raise Ended(f"{file} cannot be taken in: {fault}", status=2) from None
    if as_json:
        told.as_json(asdict(done))
        return
    click.echo(
        f"{done.reopens} reopens taken in, {done.known} known already, {done.waiting} left out as waiting;"
        f" {done.threads} threads, {done.links} links, {done.notes} deliveries and lines of the audit log."
    )


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
        for number, raw in enumerate(opened, start=1):
            try:
                line = json.loads(raw)
            except ValueError:
                raise NotAnExport(f"line {number} is no JSON; what came before it was taken in") from None
            if not isinstance(line, dict):
                raise NotAnExport(f"line {number} is no JSON object; what came before it was taken in")
            yield line


def _ms(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Ended(
            f"{option} must be a day or a time, like 2026-11-01 or 2026-11-01T08:00:00Z", status=2
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
