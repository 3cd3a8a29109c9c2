"""`forget`."""

from __future__ import annotations

from dataclasses import asdict, replace

import click

from service.cli import told
from service.cli.acting import by
from service.cli.opened import tool_settings, with_ledger
from service.cli.told import Ended
from service.domain.decide import canonical_id
from service.forget import SUBJECTS, Customer
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
    customers = [
        *([Customer("contact", contact, source)] if contact else ()),
        *([Customer("email", email, source)] if email else ()),
        *([Customer("ticket", ticket, source)] if ticket else ()),
    ]
    if len(customers) != 1:
        raise Ended("say whom: one of --contact, --email and --ticket", status=2)
    (customer,) = customers
    if customer.kind == "contact":
        contact_id = canonical_id(customer.value)
        if contact_id is None:
            raise Ended("--contact must be a positive whole number", status=2)
        customer = replace(customer, value=str(contact_id))
    if not yes:
        click.confirm(f"Erase {SUBJECTS[customer.kind]} for good?", abort=True, err=True)
    settings = tool_settings()
    forgotten = with_ledger(lambda ledger: forget_customer(ledger, settings, customer, by=by()))
    if as_json:
        told.as_json(asdict(forgotten))
        return
    click.echo(told_of(forgotten))
