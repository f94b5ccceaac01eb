"""`terracrm sync runs` and `terracrm sync undo`: what runs did, and taking back what one changed in the CRM (Y3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.domain.contact_merge import LISTS
from terracrm.models import utcnow
from terracrm.services import access, field_history, mailboxes, run_list, undo
from terracrm.services.run_list import RunRow
from terracrm.services.undo_act import Effect, Kept, PutBack, Thing

T = TypeVar("T")
TRIES = 3
MAX_SHOWN = 100
REASONS = {
    "changed": "it was changed since",
    "by_hand": "somebody worked with it since",
    "told": "another entry tells of the person, too",
    "history": "there is history of it that came since",
    "people": "people belong to it",
    "merged": "it was merged with another one since",
}

Number = Annotated[int, typer.Argument(metavar="RUN", help="The run, as `terracrm sync runs` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def runs(
    mailbox: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only this mailbox.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    idle: Annotated[bool, typer.Option("--idle", help="Also those that had nothing to do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List the last runs with what they did, the newest first, and whether they can be undone.

    Example: terracrm sync runs --mailbox anna@romashka.example
    """
    invocation = current()
    with invocation.transaction() as session:
        mailbox_id = mailboxes.get(session, mailbox).id if mailbox else None
        rows = run_list.last(
            session, invocation.settings, access.operator(), utcnow(), mailbox_id, limit, with_idle=idle
        )
    for row in rows:
        if as_json:
            typer.echo(json.dumps(_run_as_json(row), ensure_ascii=False))
        else:
            typer.echo(_run_line(row))


def undo_run(
    number: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only what would be done is shown.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Of a run that was undone: have what it had brought taken in again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take back what a run changed in the CRM: what would be done, or with --yes do it.

    What it took in leaves the CRM and stays out, fields say again what they said before, and what somebody has worked
    with since stays and is listed. Nothing that the run wrote into Outlook is touched, and what became private is not
    restored. With --again the next run takes in again what had been left out.

    Example: terracrm sync undo 42 --yes
    """
    settings = current().settings
    if again:
        count = _tried(lambda session: undo.take_again(session, access.operator(), number))
        if as_json:
            typer.echo(json.dumps({"run": number, "again": count}))
        else:
            typer.echo(f"{count} items that run {number} had brought are taken in again by the next run.")
        return
    if yes:
        effect = _tried(lambda session: undo.undo(session, settings, access.operator(), number))
    else:
        with db.session_factory(current().engine)() as session:
            effect = undo.preview(session, settings, access.operator(), number)
    if as_json:
        typer.echo(json.dumps(_as_json(effect, applied=yes), ensure_ascii=False, default=_iso))
        return
    typer.echo(f"Run {number} is undone:" if yes else f"Undoing run {number} would do this:")
    for line in _lines(effect):
        typer.echo(f"  {line}")
    if not yes and not effect.is_nothing:
        typer.echo("Nothing is changed yet: add --yes to do it.")


def _tried(work: Callable[[Session], T]) -> T:
    """Do this in a transaction, and once more where another one got in the way."""
    for attempt in range(1, TRIES + 1):
        try:
            with current().transaction() as session:
                return work(session)
        except DBAPIError as error:
            if attempt == TRIES or not db.is_race(error):
                raise
    raise AssertionError  # the last attempt returns or raises


def _lines(effect: Effect) -> Iterator[str]:
    """What is done, in words."""
    if effect.is_nothing:
        yield "nothing: the run changed nothing in the CRM that can be taken back"
    yield from _some([f"{_name(thing)} goes" for thing in effect.gone])
    yield from _some([_put_back(each) for each in effect.put_back])
    if effect.copies:
        yield f"{effect.copies} items of the mailbox are not known any more; what they are of stays"
    if effect.conflicts:
        yield f"{effect.conflicts} conflicts are settled by it"
    if effect.followed:
        yield f"{effect.followed} changes of mail or meetings that were here before stay as Outlook has them"
    yield from _some([_kept(each) for each in effect.kept])


def _some(lines: list[str]) -> list[str]:
    left = len(lines) - MAX_SHOWN
    return lines if left <= 0 else [*lines[:MAX_SHOWN], f"... and {left} more; --json shows all"]


def _put_back(each: PutBack) -> str:
    if each.thing.entity == "task":
        return f"{_name(each.thing)}: {each.field} is as it was before"
    return f"{_name(each.thing)}: {each.field}: {_value(each.field, each.now)} -> {_value(each.field, each.before)}"


def _kept(each: Kept) -> str:
    field = f": {each.field}" if each.field else ""
    return f"stays: {_name(each.thing)}{field}: {REASONS[each.reason]}"


def _name(thing: Thing) -> str:
    at = f" of {thing.at:%Y-%m-%d %H:%M} UTC" if thing.at else ""
    name = f" ({thing.name})" if thing.name else ""
    return f"{thing.entity} {thing.id}{name}{at}"


def _value(field: str, value: str) -> str:
    found = field_history.as_entries(value) if field in LISTS else None
    if found is None:
        return " / ".join(line.strip() for line in value.splitlines() if line.strip()) or "empty"
    texts = ["; ".join(part for name, part in entry.items() if part and name != "label") for entry in found]
    return ", ".join(texts) or "empty"


def _as_json(effect: Effect, *, applied: bool) -> dict[str, Any]:
    told = asdict(effect)
    return {"run": told.pop("run_id"), "applied": applied, "counts": undo.counts(effect), **told}


def _run_as_json(row: RunRow) -> dict[str, Any]:
    told = asdict(row)
    counts = told.pop("counts")
    return {name: _iso(value) if isinstance(value, date) else value for name, value in (told | counts).items()}


def _run_line(row: RunRow) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in row.counts.items() if count) or "nothing new"
    state = "undone" if row.undone_at else "" if not row.why_not and row.changed_something else "not to be undone"
    facts = f"{row.id:>7}  {row.started_at:%Y-%m-%d %H:%M}  {row.mailbox} {row.stream}: {row.outcome}, {counts}"
    return f"{facts}  {state}".rstrip()


def _iso(value: Any) -> str:
    return str(value.isoformat(timespec="seconds"))
