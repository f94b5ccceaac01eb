"""`terracrm stats`: how much there is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.services.stats import counts


def stats(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Count companies, contacts, activities by kind, messages, copies, meetings, links, quarantined and unmatched.

    Example: terracrm stats --json
    """
    with current().transaction() as session:
        found = counts(session)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{name:<12} {sum(value.values()):>9}")
            for kind, number in value.items():
                typer.echo(f"  {kind:<10} {number:>9}")
        else:
            typer.echo(f"{name:<12} {value:>9}")
