"""`terracrm sync plan`: what a run would do, without doing it (Y1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.models import Mailbox
from terracrm.services import access, mailboxes, outbox, outbox_list

if TYPE_CHECKING:
    from sync.kinds import Planned

INTO_OUTLOOK = "out"
MAX_SHOWN = 160


def plan(
    mailbox: Annotated[str, typer.Option("--mailbox", metavar="ADDRESS", help="The mailbox to look at.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each step and line.")] = False,
) -> None:
    """Show what the next run would write into a mailbox, field by field and each with its rule; nothing is changed.

    It says what is known here: what somebody has changed in Outlook since the last run is not in it.

    Example: terracrm sync plan --mailbox anna@romashka.example
    """
    with current().transaction() as session:
        box = mailboxes.get(session, mailbox)
        steps = _outgoing(session, box)
        address, is_written = box.address, any(outbox.may_write(stream) for stream in box.streams)
    if as_json:
        for step in steps:
            typer.echo(json.dumps({"mailbox": address, **step}, ensure_ascii=False))
        return
    if not is_written:
        typer.echo(f"Nothing is written into {address}: terracrm mailbox outlook {address} says why, and changes it.")
        return
    typer.echo(f"{address}, into Outlook:" if steps else f"{address}: Outlook has all that it should.")
    for step in steps:
        _say(step)


def _outgoing(session: Session, mailbox: Mailbox) -> list[dict[str, Any]]:
    """The steps that come to something, in the fixed words of `--json`."""
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.kinds import planned

    found = [(each, step) for each in planned(session, current().settings, mailbox) if (step := _step(each))]
    names = outbox_list.names(session, access.operator(), [(each.entity, each.local_id) for each, _ in found])
    return [step | {"name": names.get((each.entity, each.local_id), "")} for each, step in found]


def _step(planned: Planned) -> dict[str, Any] | None:
    from sync.outbound import Create, Nothing, Remove

    step = planned.step
    if isinstance(step, Nothing):
        return None
    act = "create" if isinstance(step, Create) else "remove" if isinstance(step, Remove) else "change"
    differences = () if isinstance(step, Remove) else step.differences
    return {
        "direction": INTO_OUTLOOK,
        "act": act,
        "entity": planned.entity,
        "id": planned.local_id,
        "rule": step.why,
        "reason": planned.reason,
        "fields": [{"field": each.field, "old": each.old, "new": each.new} for each in differences],
    }


def _say(step: dict[str, Any]) -> None:
    name = f" ({step['name']})" if step["name"] else ""
    typer.echo(f"  {step['act']} {step['entity']} {step['id']}{name}: {step['rule'].replace('_', ' ')}")
    for each in step["fields"]:
        typer.echo(f"    {each['field']:<16} {_line(each['old'])} -> {_line(each['new'])}")


def _line(value: str) -> str:
    """A value in one line."""
    found = " / ".join(line.strip() for line in value.splitlines() if line.strip())
    return (found if len(found) <= MAX_SHOWN else f"{found[:MAX_SHOWN]}…") or "empty"
