"""What people do to reopens and workers: `retry`, `cancel`, `bulk`, `pause` and `resume`, as the command line
declares them.
"""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("reopen_ids", nargs=-1)
@click.option(
    "--status", type=click.Choice(["dead", "cancelled", "retrying"]), help="All of this status instead."
)
@click.option("--source", help="With --status: of this source only.")
@click.option("--yes", is_flag=True, help="With --status: do not ask.")
@click.option("--json", "as_json", is_flag=True)
def retry(reopen_ids: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Try dead, cancelled or retrying ones again, now.

    A retry looks in Acquire first, so it cannot make a second case.

    Example: reopener retry rb2suftq2m5wzgvmmsbi24yk

    Example: reopener retry --status dead --source support
    """
    from service.cli import acting

    acting.retry(reopen_ids, as_json=as_json, **asked)


@click.command()
@click.argument("reopen_ids", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True)
def cancel(reopen_ids: tuple[str, ...], as_json: bool) -> None:
    """Cancel held, queued or retrying ones: nothing is sent for them.

    Example: reopener cancel rb2suftq2m5wzgvmmsbi24yk
    """
    from service.cli import acting

    acting.cancel(reopen_ids, as_json=as_json)


@click.command()
@click.argument("bulk_id", required=False)
@click.option("--cancel", is_flag=True, help="Stop it: what no worker has begun is again as it was.")
@click.option("--json", "as_json", is_flag=True)
def bulk(bulk_id: str | None, cancel: bool, as_json: bool) -> None:
    """Show how far retries of many are, or stop one half-way.

    They are done a few at a time, behind new replies.

    Example: reopener bulk

    Example: reopener bulk 1f6c0d2e9ab34c57 --cancel
    """
    from service.cli import acting

    acting.bulk(bulk_id, cancel=cancel, as_json=as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def pause(as_json: bool) -> None:
    """Have the workers take no more work; webhooks are taken all the while.

    Example: reopener pause
    """
    from service.cli import acting

    acting.switch(paused=True, as_json=as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def resume(as_json: bool) -> None:
    """Have the workers go on.

    Example: reopener resume
    """
    from service.cli import acting

    acting.switch(paused=False, as_json=as_json)


COMMANDS = (retry, cancel, bulk, pause, resume)
