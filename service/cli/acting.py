"""`retry`, `cancel`, `bulk`, `pause` and `resume`."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Awaitable, Callable, Sequence

import click

from service import views
from service.cli import told
from service.cli.opened import with_ledger
from service.cli.told import Ended
from service.domain.errors import Conflict, NotFound
from service.domain.reopens import Reopen, Status
from service.ledger import Ledger
from service.ledger.audit import By
from service.ledger.bulks import Bulk, Order
from service.ledger.listing import Wanted

Verb = Callable[[Ledger, str], Awaitable[Reopen]]


def retry(
    reopen_ids: Sequence[str], *, status: str | None, source: str | None, yes: bool, as_json: bool
) -> None:
    if bool(reopen_ids) == bool(status):
        raise Ended("say which: ids, or --status for all of a status", status=2)
    if status is None:
        _each(reopen_ids, lambda ledger, each: ledger.verbs.retry(each, by=by()), as_json=as_json)
        return
    wanted = Status(status)
    if not yes:
        count = with_ledger(lambda ledger: _count(ledger, wanted, source))
        of = f" of {source}" if source else ""
        click.confirm(f"Retry {count} {status} reopens{of}?", abort=True, err=True)
    bulk = with_ledger(lambda ledger: _retry_all(ledger, wanted, source))
    if as_json:
        told.as_json({"count": bulk.taken})
    else:
        click.echo(f"{bulk.taken} retried; how far it is: reopener bulk {bulk.id}")


def cancel(reopen_ids: Sequence[str], *, as_json: bool) -> None:
    _each(reopen_ids, lambda ledger, each: ledger.verbs.cancel(each, by=by()), as_json=as_json)


def bulk(bulk_id: str | None, *, cancel: bool, as_json: bool) -> None:
    if cancel and bulk_id is None:
        raise Ended("say which to cancel: reopener bulk shows their ids", status=2)
    if bulk_id is None:
        shown = with_ledger(lambda ledger: ledger.bulks.latest())
    elif cancel:
        shown = [with_ledger(lambda ledger: ledger.bulks.recall(bulk_id, by=by()))]
    else:
        shown = [with_ledger(lambda ledger: ledger.bulks.bulk(bulk_id))]
    if as_json:
        for each in shown:
            told.as_json(views.bulk(each))
        return
    heads = ("id", "what", "state", "of", "wait", "in work", "ended", "taken back")
    told.table(heads, [_row(each) for each in shown])


def switch(*, paused: bool, as_json: bool) -> None:
    async def turn(ledger: Ledger) -> None:
        await (ledger.verbs.pause(by=by()) if paused else ledger.verbs.resume(by=by()))

    with_ledger(turn)
    if as_json:
        told.as_json({"paused": paused})
    else:
        click.echo("Workers take no more work." if paused else "Workers go on.")


def _row(bulk: Bulk) -> tuple[object, ...]:
    ended = ", ".join(f"{count} {status}" for status, count in sorted(bulk.ended.items())) or "0"
    numbers = (bulk.taken, bulk.left, bulk.in_work, ended, bulk.taken_back)
    state = "cut short" if bulk.is_cut_short else bulk.state
    return (bulk.id, f"{bulk.verb} {bulk.subject}", state, *numbers)


async def _retry_all(ledger: Ledger, status: Status, source: str | None) -> Bulk:
    subject = f"all {status.value}" + (f" of {source}" if source else "")
    order = Order("retry", by(), (), Wanted(status, source), subject)
    return await ledger.bulks.fill(await ledger.bulks.create(order), order)


def by() -> By:
    """Whom the audit log names: the user and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return By(f"{user} at {socket.gethostname()}", "command line")


async def _count(ledger: Ledger, status: Status, source: str | None) -> int:
    by_source = (await ledger.counts.stats(0)).by_source
    return sum(counts[status.value] for name, counts in by_source.items() if source in {None, name})


def _each(reopen_ids: Sequence[str], verb: Verb, *, as_json: bool) -> None:
    """Do it for each; all that could not be done is told at the end."""

    async def done(ledger: Ledger) -> tuple[list[Reopen], list[str]]:
        records, faults = [], []
        for each in reopen_ids:
            try:
                records.append(await verb(ledger, each))
            except (Conflict, NotFound) as error:
                faults.append(f"{each}: {error}")
        return records, faults

    records, faults = with_ledger(done)
    for record in records:
        if as_json:
            told.as_json(views.reopen(record))
        else:
            click.echo(f"{record.id}  {record.status.value}")
    if faults:
        raise Ended(*faults)
