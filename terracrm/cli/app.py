"""The command tree, and the options that stand before every command."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from terracrm.cli import (
    alerts,
    bench,
    companies,
    config,
    conflicts,
    contacts,
    database,
    mailboxes,
    merge,
    outbox,
    plans,
    quarantine,
    segments,
    simulator,
    sync,
    tasks,
    teams,
    tray,
    users,
)
from terracrm.cli.daemon import daemon
from terracrm.cli.demo import demo
from terracrm.cli.doctor import doctor
from terracrm.cli.health import health
from terracrm.cli.invocation import begin
from terracrm.cli.portal import web
from terracrm.cli.stats import stats
from terracrm.cli.why import why
from terracrm.cli.worker import worker

app = typer.Typer(
    name="terracrm",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(config.app, name="config")
app.add_typer(database.app, name="db")
app.add_typer(users.app, name="user")
app.add_typer(teams.app, name="team")
app.add_typer(mailboxes.app, name="mailbox")
app.add_typer(sync.app, name="sync")
app.add_typer(plans.app, name="plan")
app.add_typer(tasks.app, name="task")
app.add_typer(tray.app, name="tray")
app.add_typer(outbox.app, name="outbox")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(contacts.app, name="contact")
app.add_typer(companies.app, name="company")
app.add_typer(merge.app, name="merge")
app.add_typer(conflicts.app, name="conflict")
app.add_typer(segments.app, name="segment")
app.add_typer(alerts.app, name="alert")
app.add_typer(simulator.app, name="simulator")
app.add_typer(bench.app, name="bench")
for command in (daemon, worker, web, demo, doctor, health, stats, why):
    app.command()(command)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"terracrm {version('terracrm')}")
        raise typer.Exit


@app.callback()
def options(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="TERRACRM_CONFIG",
            help="The settings; without it ./config.toml if there is one, else the defaults.",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log everything, and show the details of unexpected errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """TerraCRM mirrors Outlook and Exchange into one customer database.

    Example: terracrm --config /etc/terracrm/config.toml doctor

    `terracrm demo` shows it at work. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 done in part,
    78 wrong settings, 130 interrupted.
    """
    begin(config, debug=debug)
