"""`terracrm quarantine`: the items of mailboxes that could not be read or stored."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from terracrm.cli import lists
from terracrm.cli.invocation import current
from terracrm.cli.lists import OnlyMailbox, check_choice, every_row, mailbox_id
from terracrm.services import access, quarantine
from terracrm.services.quarantine import SickRow

app = typer.Typer(help="The items that could not be read or stored.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on each line.")]


@app.command(name="list")
def show(mailbox: OnlyMailbox = None, as_json: AsJson = False) -> None:
    """List the items in quarantine, with the reason, the tries and the next one, newest first.

    Example: terracrm quarantine list --mailbox anna@romashka.example
    """
    with current().transaction() as session:
        chosen = mailbox_id(session, mailbox)
        for row in every_row(lambda number: quarantine.listing(session, access.operator(), chosen, number)):
            typer.echo(lists.as_json(asdict(row)) if as_json else _line(row))


@app.command()
def retry(
    number: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="The item, as `terracrm quarantine list` shows it.")
    ] = None,
    mailbox: OnlyMailbox = None,
    everything: Annotated[bool, typer.Option("--all", help="All items, of all mailboxes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Try items again now: the next run of their mailbox does, and it comes soon.

    Example: terracrm quarantine retry 12
    """
    check_choice(number, mailbox, everything)
    with current().transaction() as session:
        if number is not None:
            quarantine.retry(session, access.operator(), number)
            count = 1
        else:
            count = quarantine.retry_all(session, access.operator(), mailbox_id(session, mailbox))
    if as_json:
        typer.echo(json.dumps({"retried": count}))
        return
    items = "1 item is" if count == 1 else f"{count} items are"
    typer.echo(f"{items} tried again." if count else "Nothing is in quarantine.")


def _line(row: SickRow) -> str:
    tries = "1 try" if row.attempts == 1 else f"{row.attempts} tries"
    when = f"since {row.first_seen_at:%Y-%m-%d %H:%M} UTC, {tries}, next {row.next_try_at:%Y-%m-%d %H:%M}"
    return f"{row.id:>5}  {row.mailbox} {row.stream}  {row.folder}: {row.error} ({when})"
