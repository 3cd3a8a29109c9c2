"""`forget`."""

from __future__ import annotations

from dataclasses import asdict

import click

from service.asking import Unclear
from service.cli import told
from service.cli.acting import by
from service.cli.opened import tool_settings, with_ledger
from service.cli.told import Ended
from service.forget import SUBJECTS, customer_of
from service.forget import forget as forget_customer
from service.forget import told as told_of


def forget(
    *,
    contact: str | None,
    email: str | None,
    ticket: str | None,
    source: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    if sum(bool(each) for each in (contact, email, ticket)) != 1:
        raise Ended("say whom: one of --contact, --email and --ticket", status=2)
    named = {"contact_id": contact or None, "email": email or None, "ticket_id": ticket or None}
    try:
        customer = customer_of({**named, "source": source})
    except Unclear as unclear:
        raise Ended(unclear.message, status=2) from None
    if not yes:
        click.confirm(f"Erase {SUBJECTS[customer.kind]} for good?", abort=True, err=True)
    settings = tool_settings()
    forgotten = with_ledger(lambda ledger: forget_customer(ledger, settings, customer, by=by()))
    if as_json:
        told.as_json(asdict(forgotten))
        return
    click.echo(told_of(forgotten))
