"""`terracrm outbox`: what is still to be written into Outlook."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from terracrm.cli import lists
from terracrm.cli.invocation import current
from terracrm.cli.lists import OnlyMailbox, check_choice, every_row, mailbox_id
from terracrm.services import access, outbox_list
from terracrm.services.outbox_list import OutboxRow

app = typer.Typer(help="What is still to be written into Outlook.", no_args_is_help=True)


@app.command(name="list")
def show(
    mailbox: OnlyMailbox = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List what is owed: given up ones first, then those that wait the longest.

    Example: terracrm outbox list --mailbox anna@romashka.example
    """
    with current().transaction() as session:
        chosen = mailbox_id(session, mailbox)
        for row in every_row(lambda number: outbox_list.listing(session, access.operator(), chosen, number)):
            typer.echo(lists.as_json(asdict(row)) if as_json else _line(row))


@app.command()
def retry(
    number: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="The write, as `terracrm outbox list` shows it.")
    ] = None,
    mailbox: OnlyMailbox = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever has failed, in all mailboxes.")] = False,
) -> None:
    """Try again what has failed or was given up: the next run of its mailbox does.

    Example: terracrm outbox retry 12
    """
    check_choice(number, mailbox, everything)
    with current().transaction() as session:
        if number is not None:
            outbox_list.retry(session, access.operator(), number)
            count = 1
        else:
            count = outbox_list.retry_all(session, access.operator(), mailbox_id(session, mailbox))
    writes = "1 write is" if count == 1 else f"{count} writes are"
    typer.echo(f"{writes} tried again." if count else "Nothing has failed.")


def _line(row: OutboxRow) -> str:
    what = f"{row.entity} {row.local_id}" + (f" ({row.name})" if row.name else "")
    state = "given up" if row.is_given_up else f"next try {row.next_try_at:%Y-%m-%d %H:%M}"
    tries = {0: "", 1: ", 1 try"}.get(row.attempts, f", {row.attempts} tries")
    since = f"owed since {row.owed_since:%Y-%m-%d %H:%M} UTC" + (f" ({row.reason})" if row.reason else "")
    return f"{row.id:>5}  {row.mailbox}  {what}: {since}, {state}{tries}" + (f": {row.error}" if row.error else "")
