"""What is kept of customers: `export`, `import` and `forget`, as the command line declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.domain.reopens import Status


@click.command()
@click.option("--from", "since", metavar="TIME", help="Admitted then or later: 2026-11-01, or RFC 3339.")
@click.option("--to", "until", metavar="TIME", help="Admitted before that.")
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--source")
@click.option("--json", is_flag=True, expose_value=False, help="No change: it always writes JSON lines.")
def export(**asked: Any) -> None:
    """Write reopens of a period with attempts, threads, links, deliveries and audit as JSON lines.

    `reopener import` reads them back. They hold customers' words and addresses as far as these are kept.

    Example: reopener export --from 2026-11-01 --to 2026-12-01 > november.jsonl
    """
    from service.cli import copying

    copying.export(**asked)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def import_(file: Path, as_json: bool) -> None:
    """Take in an export: into an empty ledger, or one that has some of it already.

    What is known stays as it is, so that it may be repeated. Waiting reopens are left out: they are worked
    where they came from.

    Example: reopener import november.jsonl
    """
    from service.cli import copying

    copying.take_in(file, as_json=as_json)


@click.command()
@click.option("--contact", help="By their contact id in Acquire.")
@click.option("--email", help="By their address.")
@click.option("--ticket", help="By a ticket's id.")
@click.option("--source", help="Of this source alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
def forget(as_json: bool, **asked: Any) -> None:
    """Erase a customer everywhere, for good.

    Words, ids and addresses go from records, indexes, deliveries, kept requests and the audit log, which
    notes that it was done and not to whom. Refused while an attempt of theirs is running.

    Example: reopener forget --email anna@example.com
    """
    from service.cli import forgetting

    forgetting.forget(as_json=as_json, **asked)


COMMANDS = (export, import_, forget)
