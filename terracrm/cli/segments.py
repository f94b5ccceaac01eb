"""`terracrm segment`: saved conditions over clients."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from terracrm.cli.invocation import current
from terracrm.domain import segments as domain
from terracrm.services import access, segments
from terracrm.services.segments import SegmentRow

app = typer.Typer(help="Saved conditions over clients.", no_args_is_help=True)

EXAMPLES = 20

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the segment.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on each line.")]


@app.command()
def add(
    name: Name,
    conditions: Annotated[
        list[str], typer.Argument(metavar="CONDITION...", help="What all of its clients have in common.")
    ],
) -> None:
    """Save conditions under a name. A client belongs to the segment as long as all of them hold.

    A condition is a field, an operator and a value. Fields: stage, city, company, department, job title, mail domain,
    owner, team, region, source, mail. Operators: = or is, != or "is not", contains, in (values separated by commas);
    of mail: "mail since 90 days", "mail not since 90 days". Case does not count, and ё is е.

    Example: terracrm segment add "Shops of Kazan" "city = Kazan" "stage in active, new" "mail since 90 days"
    """
    asked = [domain.read(text) for text in conditions]
    with current().transaction() as session:
        segment = segments.add(session, name, asked, None)
        row = segments.row(session, access.operator(), segment)
    typer.echo(_line(row))


@app.command(name="list")
def show_all(as_json: Json = False) -> None:
    """List the segments with how many clients each has now.

    Example: terracrm segment list
    """
    with current().transaction() as session:
        rows = [segments.row(session, access.operator(), segment) for segment in segments.every(session)]
    for row in rows:
        typer.echo(json.dumps(_told(row), ensure_ascii=False) if as_json else _line(row))


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show what a segment asks, the first of its clients by name, and which mailboxes keep it in Outlook.

    Example: terracrm segment show "Shops of Kazan"
    """
    with current().transaction() as session:
        segment = segments.get(session, name)
        row = segments.row(session, access.operator(), segment)
        clients = segments.names(session, access.operator(), segment, EXAMPLES)
    if as_json:
        typer.echo(json.dumps(_told(row) | {"first": clients}, ensure_ascii=False))
        return
    typer.echo(_line(row))
    for client in clients:
        typer.echo(f"  {client}")
    if row.members > len(clients):
        typer.echo(f"  and {row.members - len(clients)} more")
    for address in row.used_by:
        typer.echo(f"In Outlook of {address}.")


@app.command()
def remove(name: Name) -> None:
    """Forget a segment; its clients stay. One that a mailbox keeps in Outlook cannot be removed.

    Example: terracrm segment remove "Shops of Kazan"
    """
    with current().transaction() as session:
        segment = segments.get(session, name)
        name = segment.name
        segments.remove(session, segment, None)
    typer.echo(f"The segment {name} is removed.")


def _line(row: SegmentRow) -> str:
    clients = "1 client" if row.members == 1 else f"{row.members} clients"
    return f"{row.name}: {domain.text_of(row.conditions)} ({clients})"


def _told(row: SegmentRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "conditions": [condition.stored() for condition in row.conditions],
        "clients": row.members,
        "used_by": list(row.used_by),
    }
