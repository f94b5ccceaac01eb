"""`terracrm sync reconcile`: what is here and what is there, item by item (S14)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.cli.streams import bars, kind_named, mailbox_named, why_waiting
from terracrm.errors import InvalidInput
from terracrm.models import Reconciliation
from terracrm.services import access, reconciliations

if TYPE_CHECKING:
    from sync.run import Order, Summary

FAILED, PARTLY = 1, 3


def reconcile(
    mailbox: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only this mailbox.")] = None,
    stream: Annotated[str | None, typer.Option(metavar="KIND", help="Only contacts, calendar, mail, ...")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take in what is missing or stale, and mark gone what is not there.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="With --repair: also beyond sync.brake_items and sync.brake_percent.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each stream and line.")] = False,
) -> None:
    """Count the items of streams here and in the mailbox, and list those that are not the same.

    The streams are run first, as `sync run` does. missing: there and not here, by no rule; extra: here and not there;
    stale: another version there. What a rule leaves out or quarantine holds is told beside. Nothing is mended without
    --repair. Exit code 1 when no stream could be counted, 3 when some could not, or gaps are left.

    Example: terracrm sync reconcile --mailbox anna@romashka.example --stream mail
    """
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.connecting import connect
    from sync.engine import run_stream
    from sync.run import Order
    from sync.schedule import chosen_streams, waiting_streams

    if anyway and not repair:
        raise InvalidInput("--anyway goes with --repair")
    invocation = current()
    invocation.start_log()
    sessions = db.session_factory(invocation.engine)
    with sessions() as session:
        address, kind = mailbox_named(session, mailbox), kind_named(stream)
        chosen = chosen_streams(session, address, kind)
        waiting = [why_waiting(left) for left in waiting_streams(session, address, kind, chosen)]
    for line in waiting:
        typer.echo(f"Warning: {line}", err=True)
    counted, failed, left = 0, len(waiting), 0
    with bars() as shown:
        for stream_id in chosen:
            task, order = shown.add_task("", total=None), Order(repair, anyway)

            def show(path: str, items: int, expected: int | None, task: Any = task) -> None:
                shown.update(task, description=path, completed=items, total=expected)

            summary = run_stream(invocation.settings, sessions, stream_id, connect, show, order)
            shown.remove_task(task)
            if summary is None or summary.error or not order.count_id:
                failed += 1
                typer.echo(f"Error: {_why(summary, order)}", err=True)
                continue
            counted += 1
            with sessions() as session:
                left += _say(session, summary, order, as_json)
    if failed or left:
        raise typer.Exit(PARTLY if counted else FAILED)


def _why(summary: Summary | None, order: Order) -> str:
    if summary is None:
        return "a stream is run by another worker just now"
    reason = summary.error or f"it was not counted: {order.refused or 'its direction is off'}"
    return f"{summary.mailbox} {summary.stream}: {reason}"


def _say(session: Session, summary: Summary, order: Order, as_json: bool) -> int:
    """One stream; how many gaps are left."""
    row = session.get_one(Reconciliation, order.count_id)
    gaps = reconciliations.gaps(session, access.operator(), row)
    left = row.missing + row.extra + row.stale - row.repaired
    if as_json:
        facts = {
            "mailbox": summary.mailbox,
            "stream": summary.stream,
            "checked_at": row.checked_at.isoformat(timespec="seconds"),
            **{name: getattr(row, name) for name in ("here", "there", "missing", "extra", "stale", "quarantined")},
            "skipped": row.skipped,
            "repaired": row.repaired,
            "refused": order.refused,
            "state": summary.state,
            "gaps": [asdict(gap) for gap in gaps],
        }
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return left
    told = [f"{row.here} here", f"{row.there} there", f"{row.missing} missing", f"{row.extra} extra"]
    told += [f"{row.stale} stale"] if row.stale else []
    told += [f"{row.quarantined} in quarantine"] if row.quarantined else []
    told += [f"{row.repaired} repaired"] if row.repaired else []
    typer.echo(f"{summary.mailbox} {summary.stream}: {', '.join(told)} ({summary.state}, {summary.seconds:.1f} s)")
    for rule, count in row.skipped.items():
        typer.echo(f"  skipped: {count} {rule.replace('_', ' ')}")
    for gap in gaps:
        what = f"  {gap.entity} {gap.local_id} ({gap.name})" if gap.name else ""
        typer.echo(f"  {gap.kind:<8} {gap.folder}: {gap.remote_id}{what}")
    if (rest := row.missing + row.extra + row.stale - len(gaps)) > 0:
        typer.echo(f"  and {rest} more")
    if order.refused:
        typer.echo(f"Warning: {order.refused}", err=True)
    return left
