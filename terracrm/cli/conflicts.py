"""`terracrm conflict`: fields that were changed here and in Outlook, and the other value of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from terracrm.cli import lists
from terracrm.cli.invocation import current
from terracrm.cli.lists import every_row
from terracrm.domain.addresses import DomainPolicy
from terracrm.services import access, conflicts
from terracrm.services.conflicts import ConflictRow, Kind

app = typer.Typer(help="Fields that were changed here and in Outlook.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="ID", help="The conflict, as `terracrm conflict list` shows it.")]
SIDES = {"crm": "the CRM", "outlook": "Outlook"}
RULES = {
    "crm": "the CRM wins",
    "outlook": "Outlook wins",
    "latest": "the later change wins",
    "direction": "the field does not come in from Outlook",
}


@app.command(name="list")
def show(
    decided: Annotated[
        bool, typer.Option("--decided", help="Those that were decided, instead of the open ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List the conflicts, the newest first: both values, and which of them stands by which rule.

    Example: terracrm conflict list
    """
    kind: Kind = "decided" if decided else "open"
    with current().transaction() as session:
        for row in every_row(lambda number: conflicts.listing(session, access.operator(), kind, number)):
            typer.echo(_json(row) if as_json else _words(row))


@app.command()
def take(
    number: Number,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where somebody has changed the field since: that is overwritten.")
    ] = False,
) -> None:
    """Take the other value: it is written here, and from here into every Outlook that has it.

    Example: terracrm conflict take 12
    """
    mirror = current().settings.mirror
    policy = DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)
    with current().transaction() as session:
        before = conflicts.get(session, access.operator(), number)
        if before.state == conflicts.OPEN and before.has_changed and not anyway:
            raise conflicts.ConflictChanged(
                f"{before.field} of {before.name} was changed since and is now {before.now or 'empty'}: "
                "take the other value with --anyway, or leave it with `terracrm conflict keep`"
            )
        row = conflicts.take(session, policy, access.operator(), number, before.seal)
    typer.echo(f"{row.field} of {row.name} is now: {row.other or 'empty'}")


@app.command()
def keep(number: Number) -> None:
    """Agree with the value that stands: the conflict is settled, and nothing is changed.

    Example: terracrm conflict keep 12
    """
    with current().transaction() as session:
        row = conflicts.keep(session, access.operator(), number)
    typer.echo(f"{row.field} of {row.name} stays: {row.now or 'empty'}")


def _json(row: ConflictRow) -> str:
    told = {name: value for name, value in asdict(row).items() if name != "seal"}
    return lists.as_json(told)


def _words(row: ConflictRow) -> str:
    loser = "outlook" if row.winner == "crm" else "crm"
    where, when = f" in {row.mailbox}" if row.mailbox else "", f"{row.found_at:%Y-%m-%d %H:%M}"
    lines = [
        f"{row.id:>5}  {row.entity} {row.entity_id} ({row.name}), {row.field}, {when} UTC{where}",
        f"       stands: {_value(row.won, row.won_label)} (of {SIDES[row.winner]}: {RULES.get(row.rule, row.rule)})",
        f"       other:  {_value(row.other, row.other_label)} (of {SIDES[loser]})",
    ]
    if row.state != conflicts.OPEN:
        lines.append(f"       {row.state}{f' by {row.who}' if row.who else ''}, {row.decided_at:%Y-%m-%d %H:%M} UTC")
    elif row.has_changed:
        lines.append(f"       changed since: {row.now or 'empty'}")
    return "\n".join(lines)


def _value(text: str, label: str) -> str:
    return (text or "empty") + (f" ({label})" if label else "")
