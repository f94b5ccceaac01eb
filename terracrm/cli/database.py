"""`terracrm db`: the tables."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from sqlalchemy import make_url

from sync.tidying import tidy as remove_aged
from terracrm import db
from terracrm.cli.invocation import current
from terracrm.models import utcnow
from terracrm.services import retention

app = typer.Typer(help="The database.", no_args_is_help=True)

KINDS = {
    retention.RUN_ITEMS: "what runs removed",
    retention.PLANS: "plans that wait for nobody",
    retention.RUNS: "runs",
    retention.IDLE_RUNS: "runs that found nothing to do",
    retention.ALERTS: "alerts that are over",
    retention.ALERT_MESSAGES: "messages that told alerts",
    retention.MOVED_MAIL: "where moved mail was before",
    retention.CONFLICTS: "decided conflicts",
    retention.AUDIT: "lines of the audit log",
}


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


@app.command()
def tidy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is too old; remove nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Remove what is older than the settings in [retention] say. The daemon does it once a day.

    What is here goes on telling where it came from. Kinds that stay for ever are not listed.

    Example: terracrm db tidy --dry-run
    """
    invocation = current()
    if dry_run:
        with invocation.transaction() as session:
            aged = retention.aged(invocation.settings, utcnow())
            found = {each.kind: retention.count(session, each) for each in aged}
    else:
        found = remove_aged(invocation.settings, db.session_factory(invocation.engine))
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo("Too old, and would be removed:" if dry_run else "Too old, and removed:")
    for kind, number in found.items():
        typer.echo(f"  {KINDS[kind]:<30} {number:>9}")


def _place() -> str:
    return make_url(current().settings.database.url).render_as_string(hide_password=True)
