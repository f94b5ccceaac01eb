"""`terracrm sync`: run streams once, now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.cli.streams import bars, kind_named, mailbox_named, why_waiting
from terracrm.cli.sync_plan import plan, run_planned
from terracrm.cli.sync_reconcile import reconcile
from terracrm.cli.sync_undo import runs, undo_run
from terracrm.errors import InvalidInput
from terracrm.services import skipped

if TYPE_CHECKING:
    from sync.run import Summary

app = typer.Typer(help="Read the mailboxes, and write into them.", no_args_is_help=True)
app.command()(plan)
app.command()(reconcile)
app.command()(runs)
app.command(name="undo")(undo_run)

FAILED, PARTLY = 1, 3
MORE_ROUNDS = 3
COUNTS = ("created", "updated", "deleted", "skipped", "quarantined", "unmatched", "written")


@app.command()
def run(
    mailbox: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only this mailbox.")] = None,
    stream: Annotated[str | None, typer.Option(metavar="KIND", help="Only contacts, calendar, mail, ...")] = None,
    plan_id: Annotated[int | None, typer.Option("--plan", metavar="ID", help="Just the steps of this plan.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each stream and line.")] = False,
) -> None:
    """Run the streams of all enabled mailboxes once, or those that are named: read them, then write what is owed.

    A stream that backs off is left alone unless its mailbox is named; one that was refused waits for a person.
    With --plan just what `terracrm sync plan` showed is done; what has moved since is left, and told.
    Exit code 1 when every stream failed, 3 when some did, or when something has moved.

    Example: terracrm sync run --mailbox anna@romashka.example --stream mail
    """
    if plan_id is not None:
        if mailbox is not None or stream is not None:
            raise InvalidInput("--plan says which mailbox and streams are run: leave out --mailbox and --stream")
        run_planned(plan_id, _say, as_json=as_json)
        return
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.connecting import connect
    from sync.engine import run_stream
    from sync.schedule import chosen_streams, waiting_streams

    invocation = current()
    invocation.start_log()
    sessions = db.session_factory(invocation.engine)
    with sessions() as session:
        address = mailbox_named(session, mailbox)
        kind = kind_named(stream)
        chosen = chosen_streams(session, address, kind)
        waiting = [why_waiting(left) for left in waiting_streams(session, address, kind, chosen)]
    for line in waiting:
        typer.echo(f"Warning: {line}", err=True)
    if not chosen and not waiting:
        typer.echo("There is nothing to run: terracrm mailbox add or enable a mailbox first.", err=True)
    done: list[Summary] = []
    with bars() as shown:

        def run_one(stream_id: int) -> None:
            task = shown.add_task("", total=None)

            def show(path: str, items: int, expected: int | None) -> None:
                shown.update(task, description=path, completed=items, total=expected)

            summary = run_stream(invocation.settings, sessions, stream_id, connect, show)
            shown.remove_task(task)
            if summary is None:
                typer.echo("Warning: a stream is run by another worker just now", err=True)
                return
            done.append(summary)
            _say(summary, as_json)

        for stream_id in chosen:
            run_one(stream_id)
        # What one mailbox brought may be what another one's mail waited for: its people, or the mail that it answers.
        for _ in range(MORE_ROUNDS):
            with sessions() as session:
                woken = skipped.woken(session, chosen)
            for stream_id in woken:
                run_one(stream_id)
    failed = len(waiting) + sum(bool(summary.error) for summary in done)
    if failed:
        raise typer.Exit(PARTLY if any(not summary.error for summary in done) else FAILED)


def _say(summary: Summary, as_json: bool) -> None:
    """One line for each stream; with --json the line of a script."""
    facts = summary.as_json()
    name = f"{summary.mailbox} {summary.stream}"
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
    elif summary.error:
        typer.echo(f"Error: {name}: {summary.error}", err=True)
    else:
        counts = ", ".join(f"{facts[count]} {count}" for count in COUNTS if facts[count]) or "nothing new"
        typer.echo(f"{name}: {counts} ({summary.state}, {summary.seconds:.1f} s)")
