"""`terracrm alert`: what admins are told of, and whether it arrives (Y5)."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.errors import InvalidInput
from terracrm.languages import Language
from terracrm.models import Alert, utcnow
from terracrm.services import access, alert_texts, alerts

app = typer.Typer(help="What admins are told of.", no_args_is_help=True)

PARTLY = 3
ENGLISH = Language("en")


@app.command(name="list")
def show(
    ended: Annotated[bool, typer.Option("--ended", help="Also the last ones that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List what is wrong and was told, the latest first, and how the channels do.

    Example: terracrm alert list --ended
    """
    with current().transaction() as session:
        page = alerts.page(session, access.operator(), current().settings, utcnow())
        rows = [_row(alert) for alert in (*page.open, *(page.ended if ended else ()))]
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else _words(row))
    if as_json:
        return
    if not page.open:
        typer.echo("Nothing is wrong.")
    for channel in page.channels:
        if channel.is_broken:
            typer.echo(f"! {channel.channel} does not get through: {channel.error}")
        elif channel.error:
            typer.echo(f"! {channel.channel} is tried again: {channel.error}")
    if not page.channels:
        typer.echo("Only the log and the portal are told: alerts.mail_to and alerts.webhook_url are not set.")


@app.command(name="test")
def try_out() -> None:
    """Send a trial through each channel of the settings, and say what happened.

    Exit code 1 when none got through, 3 when some did not.

    Example: terracrm alert test
    """
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.alerting import Alerting
    from sync.connecting import connect

    invocation = current()
    settings = invocation.settings
    if not settings.alerts.channels:
        raise InvalidInput("there is no channel: set alerts.mail_to with alerts.mail_from, or alerts.webhook_url")
    invocation.start_log()
    tried = []
    for trial in Alerting(settings, db.session_factory(invocation.engine), connect).try_channels():
        tried.append(trial)
        to = f" to {', '.join(settings.alerts.mail_to)}" if trial.channel == "mail" else ""
        if trial.error:
            typer.echo(f"Error: {trial.channel}: {trial.error}", err=True)
        else:
            typer.echo(f"{trial.channel}: sent{to}")
    failed = sum(bool(trial.error) for trial in tried)
    if failed:
        raise typer.Exit(1 if failed == len(tried) else PARTLY)


def _row(alert: Alert) -> dict[str, Any]:
    told, ended = alert.told_at, alert.cleared_at
    return {
        "id": alert.id,
        "rule": alert.rule,
        "title": alert_texts.title(ENGLISH, alert.rule, alert.count),
        "mailbox": alert.mailbox.address if alert.mailbox else None,
        "stream": alert.stream.kind if alert.stream else None,
        "about": alert.about or None,
        "count": alert.count,
        "reason": alert.message,
        "since": alert.since.isoformat(timespec="seconds"),
        "told": told.isoformat(timespec="seconds") if told else None,
        "ended": ended.isoformat(timespec="seconds") if ended else None,
    }


def _words(row: dict[str, Any]) -> str:
    name = " ".join(filter(None, (row["mailbox"] or row["about"] or "TerraCRM", row["stream"])))
    reason = f": {row['reason']}" if row["reason"] else ""
    over = f", over {row['ended']}" if row["ended"] else ""
    return f"{name}: {row['title']}, since {row['since']}{over}{reason}"
