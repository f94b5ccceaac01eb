"""`terracrm db`: the tables."""

from __future__ import annotations

import typer
from sqlalchemy import make_url

from terracrm import db
from terracrm.cli.invocation import current

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Make the tables, or bring them to this version. Make a backup before.

    Example: terracrm db upgrade
    """
    engine = current().bare_engine
    waiting = db.pending(engine)
    db.upgrade(engine)
    done = f"migrations done: {len(waiting)}" if waiting else "nothing to do"
    typer.echo(f"The database is up to date: {done}. {_place()}")


@app.command()
def check() -> None:
    """Check that the database can be opened, is whole and belongs to this version.

    Exit code 1 when something is wrong.

    Example: terracrm db check
    """
    problems = db.check(current().bare_engine)
    for problem in problems:
        typer.echo(f"Error: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"The database is in order. {_place()}")


def _place() -> str:
    return make_url(current().settings.database.url).render_as_string(hide_password=True)
