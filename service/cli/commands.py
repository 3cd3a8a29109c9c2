"""All commands, grouped as a person meets them; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from service.cli import deeds, keeping
from service.cli.told import Ended, as_exit
from service.version import VERSION

EPILOG = "Exit status: 0 done, 1 it failed or a fault was found, 2 wrong usage or settings."


class Commands(click.Group):
    """Lists commands in the order in which they were written, and turns our errors into exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Ended as ended:
            ctx.exit(as_exit(ended))


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="reopener")
def main() -> None:
    """A customer replies to a closed ticket, and the conversation goes on in Acquire.

    Try it:      reopener run

    In earnest:  reopener check, then reopener serve and reopener work
    """


@main.command()
def run() -> None:
    """Run everything on this machine, in one process tree.

    Receiver, dashboard, workers, an embedded Redis unless REDIS_URL is set, and the sandbox unless there are
    Acquire credentials. Prints where the dashboard is and a signed curl. Ctrl-C stops all of it.

    Example: reopener run
    """
    from service.cli import processes

    processes.run()


@main.command()
def serve() -> None:
    """Run the receiver, the API and the dashboard only.

    Needs REDIS_URL, REOPENER_ADMIN_TOKEN and the sources' secrets. SIGTERM finishes what is being answered.

    Example: REOPENER_PORT=8080 reopener serve
    """
    from service.cli import processes

    processes.serve()


@main.command()
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Calls to Acquire in flight.")
def work(concurrency: int | None) -> None:
    """Run the workers only: they call Acquire.

    Needs REDIS_URL and the Acquire account. Run as many as you like. SIGTERM finishes calls in flight and
    hands back the rest.

    Example: reopener work --concurrency 64
    """
    from service.cli import processes

    processes.become("workers", *(["--concurrency", str(concurrency)] if concurrency else []))


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Run the stand-in for Acquire only, to try a set-up against.

    Example: reopener sandbox --port 9000
    """
    from service.cli import processes

    processes.become("workers.sandbox", *arguments)


@main.command()
@click.argument("source")
@click.option("--url", help="The receiver's origin; by default that of the settings.")
@click.option("--event-id", help="Send the same id again to see it counted once; new by default.")
@click.option("--ticket-id", default="4711", show_default=True)
@click.option("--contact-id", type=int, default=597752, show_default=True)
@click.option("--thread-id", type=int, default=1683, show_default=True)
@click.option("--message", default="It broke again.", show_default=True)
@click.option(
    "--signing-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key (PEM) of kinds that sign with one.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the signed request, and send nothing.")
@click.option("--secret-env", metavar="NAME", help="The secret's variable, with --print of a bare kind.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Options, with --print of a kind.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def send(source: str, as_json: bool, **sample: Any) -> None:
    """Sign a sample event of SOURCE and send it to a running receiver.

    SOURCE is a source's name in the settings, or a kind of which there is one; beside `reopener run` also
    `demo`.

    Example: reopener send support --message "Hello?"

    Example: reopener send zendesk --print --secret-env ZENDESK_SECRET > request.json
    """
    from service.cli import sending

    sending.send(source, as_json=as_json, **sample)


@main.command()
@click.argument("source", required=False)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", help="A kind of helpdesk, without any configuration.")
@click.option("--secret-env", metavar="NAME", help="The variable that holds the secret, with --kind.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the source's table, map.message=... too.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another settings file to take the source's table from.",
)
@click.option("--stored", is_flag=True, help="Deliveries that are kept ([retention] raw_hours).")
@click.option("--now", metavar="TIME", help="Set the clock (RFC 3339).")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each file.")
def explain(source: str | None, files: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Show how a delivery is verified, read, decided and mapped, without any effect.

    Each FILE is a request as JSON: {"method", "url", "headers": {...}, "body": "..."} or "body_base64".

    Example: reopener explain support request.json

    Example: reopener explain --kind zendesk --secret-env ZENDESK_SECRET request.json

    With --stored and --config or --set it tells what these changes would make different, and nothing else.

    Example: reopener explain support --stored --config new.toml
    """
    from service.cli import explaining

    explaining.explain(source, files, as_json=as_json, **options)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
def check(as_json: bool) -> None:
    """Look for every fault that would hurt in production.

    Settings and secrets, Redis and how durable it is, workers and sweepers, whether Acquire takes the key,
    and the clock. Exit status 1 where one is found. Changes nothing.

    Example: reopener check
    """
    from service.cli import looking

    looking.check(as_json=as_json)


@main.command()
@click.option("--once", is_flag=True, help="Print it once and end, as without a terminal.")
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, metavar="SECONDS")
def top(once: bool, every: float) -> None:
    """Show the overview live, in this terminal; q ends it.

    Example: reopener top
    """
    from service.cli import top as showing

    showing.top(once=once, every_seconds=every)


@main.command("alert-test")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each channel.")
def alert_test(as_json: bool) -> None:
    """Send a test through every channel of [alerts].

    Exit status 1 where one of them does not take it.

    Example: reopener alert-test
    """
    from service.cli import alerting

    alerting.test(as_json=as_json)


@main.command("list")
@click.option(
    "--status", help="held, queued, running, retrying, checking, reopened, appended, skipped, dead, cancelled"
)
@click.option("--source")
@click.option("--q", metavar="PREFIX", help="Start of a reopen, event, ticket, contact, thread or case id.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--all", "everything", is_flag=True, help="All pages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each reopen.")
def list_(as_json: bool, **asked: Any) -> None:
    """List reopens, newest first.

    Example: reopener list --status dead --source support
    """
    from service.cli import looking

    looking.list_reopens(as_json=as_json, **asked)


@main.command()
@click.argument("reopen_id")
@click.option("--json", "as_json", is_flag=True)
def show(reopen_id: str, as_json: bool) -> None:
    """Tell the story of one reopen: what was tried, when, and what came of it.

    Example: reopener show rb2suftq2m5wzgvmmsbi24yk
    """
    from service.cli import looking

    looking.show(reopen_id, as_json=as_json)


for command in (*deeds.COMMANDS, *keeping.COMMANDS):
    main.add_command(command)
