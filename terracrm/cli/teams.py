"""`terracrm team`: the teams of the office, and their regions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.errors import InvalidInput
from terracrm.services import teams

app = typer.Typer(help="The teams of the office.", no_args_is_help=True)


@app.command(name="list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False) -> None:
    """List the teams with their regions.

    Example: terracrm team list
    """
    with current().transaction() as session:
        rows = teams.every(session)
    for row in rows:
        if as_json:
            typer.echo(json.dumps(asdict(row), ensure_ascii=False))
        else:
            people = "1 person" if row.people == 1 else f"{row.people} people"
            typer.echo(f"{row.name}: {', '.join(part for part in (row.region, people) if part)}")


@app.command(name="set")
def change(
    name: Annotated[str, typer.Argument(help="The team.")],
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="The region it works in, made when there is none of this name.")
    ] = None,
    no_region: Annotated[bool, typer.Option("--no-region", help="It works in no region.")] = False,
) -> None:
    """Say in which region a team works.

    Example: terracrm team set Sales --region Volga
    """
    if (region is not None) == no_region:
        raise InvalidInput("say one of --region NAME and --no-region")
    with current().transaction() as session:
        team = teams.get(session, name)
        teams.place(session, team, region or "")
        told = f"{team.name} works in {team.region.name}." if team.region else f"{team.name} works in no region."
    typer.echo(told)
