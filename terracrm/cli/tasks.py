"""`terracrm task`: what somebody of the office is to do for a client (W3)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.errors import InvalidInput
from terracrm.models import utcnow
from terracrm.services import access, task_list, tasks, users
from terracrm.services.access import Viewer
from terracrm.services.listing import LAST_PAGE
from terracrm.services.task_list import Filters, State, TaskRow
from terracrm.services.tasks import Draft

app = typer.Typer(help="What is to be done for clients, and by whom.", no_args_is_help=True)

STATES: tuple[State, ...] = ("open", "done", "cancelled", "all")
NO = "none"

Number = Annotated[int, typer.Argument(metavar="ID", help="The task, as `terracrm task list` shows it.")]
As = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="NAME", help="As this person of the portal, who sees and may do no more than there."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on each line.")]
Due = Annotated[str | None, typer.Option(metavar="DAY", help="Until when, like 2026-12-01.")]
Remind = Annotated[
    str | None, typer.Option(metavar="TIME", help="When Outlook reminds of it, by the clocks of the office.")
]
Importance = Annotated[str | None, typer.Option(help=f"{', '.join(tasks.IMPORTANCES)}.")]
Text = Annotated[str | None, typer.Option(help="What there is to know about it.")]
Responsible = Annotated[str | None, typer.Option(metavar="NAME", help="The user who is to do it.")]


@app.command()
def add(
    subject: Annotated[str, typer.Argument(help="What is to be done.")],
    responsible: Responsible = None,
    contact: Annotated[int | None, typer.Option(metavar="ID", help="For this contact.")] = None,
    company: Annotated[int | None, typer.Option(metavar="ID", help="For this company.")] = None,
    due: Due = None,
    remind: Remind = None,
    importance: Importance = None,
    text: Text = None,
    user: As = None,
    as_json: Json = False,
) -> None:
    """Set a task; it comes to the Outlook of who is to do it, where that is switched on.

    Example: terracrm task add "Call back" --contact 7 --responsible anna --due 2026-12-01
    """
    said = _changes(due=due, remind=remind, importance=importance, text=text)
    with current().transaction() as session:
        viewer = _viewer(session, user)
        who = users.get(session, responsible).id if responsible else None
        made = tasks.add(
            session, viewer, Draft(subject, **said), contact_id=contact, company_id=company, responsible_id=who
        )
        _print(task_list.one(session, viewer, made.activity_id), as_json)


@app.command(name="list")
def show(
    state: Annotated[str, typer.Option(help=f"{', '.join(STATES)}.")] = "open",
    responsible: Annotated[str | None, typer.Option(metavar="NAME", help="Only those that this user is to do.")] = None,
    contact: Annotated[int | None, typer.Option(metavar="ID", help="Only those for this contact.")] = None,
    company: Annotated[
        int | None, typer.Option(metavar="ID", help="Only those for this company and its people.")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose day has passed.")] = False,
    user: As = None,
    as_json: Json = False,
) -> None:
    """List tasks: the open ones by due date, others the latest first.

    Example: terracrm task list --responsible anna --overdue
    """
    if state not in STATES:
        raise InvalidInput(f"--state is one of {', '.join(STATES)}")
    with current().transaction() as session:
        viewer, number, pages = _viewer(session, user), 1, 1
        filters = Filters(
            state=state,
            responsible_id=users.get(session, responsible).id if responsible else None,
            contact_id=contact,
            company_id=company,
            due_before=_today() if overdue else None,
        )
        while number <= min(pages, LAST_PAGE):
            found = task_list.listing(session, viewer, filters, number)
            for row in found.rows:
                _print(row, as_json)
            number, pages = number + 1, found.pages


@app.command(name="set")
def change(
    number: Number,
    subject: Annotated[str | None, typer.Option(help="What is to be done.")] = None,
    responsible: Responsible = None,
    due: Annotated[str | None, typer.Option(metavar="DAY", help=f"Until when, like 2026-12-01, or {NO}.")] = None,
    remind: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"When Outlook reminds of it, like 2026-12-01T09:00, or {NO}.")
    ] = None,
    importance: Importance = None,
    text: Text = None,
    user: As = None,
    as_json: Json = False,
) -> None:
    """Change a task, or hand it on to somebody else.

    Example: terracrm task set 12 --due 2026-12-08 --responsible boris
    """
    changes = _changes(subject=subject, due=due, remind=remind, importance=importance, text=text)
    if not changes and responsible is None:
        raise InvalidInput("say what is to be changed: --subject, --due, --remind, --importance, --text, --responsible")
    with current().transaction() as session:
        viewer = _viewer(session, user)
        tasks.change(session, viewer, number, changes)
        if responsible is not None:
            tasks.assign(session, viewer, number, users.get(session, responsible).id)
        _print(task_list.one(session, viewer, number), as_json)


@app.command()
def done(number: Number, user: As = None, as_json: Json = False) -> None:
    """Mark a task as done, here and in Outlook.

    Example: terracrm task done 12
    """
    _act(tasks.done, number, user, as_json)


@app.command()
def reopen(number: Number, user: As = None, as_json: Json = False) -> None:
    """Open a task again that was done or cancelled.

    Example: terracrm task reopen 12
    """
    _act(tasks.reopen, number, user, as_json)


@app.command()
def cancel(number: Number, user: As = None, as_json: Json = False) -> None:
    """Say that a task is not to be done any more: it leaves Outlook and stays in the history.

    Example: terracrm task cancel 12
    """
    _act(tasks.cancel, number, user, as_json)


def _act(act: Any, number: int, user: str | None, as_json: bool) -> None:
    with current().transaction() as session:
        viewer = _viewer(session, user)
        act(session, viewer, number)
        _print(task_list.one(session, viewer, number), as_json)


def _viewer(session: Session, name: str | None) -> Viewer:
    return access.viewer_of(session, users.get(session, name)) if name else access.operator()


def _changes(
    *,
    due: str | None,
    remind: str | None,
    importance: str | None,
    text: str | None,
    subject: str | None = None,
) -> dict[str, Any]:
    """The fields of a Draft that were said."""
    said: dict[str, Any] = {"subject": subject, "importance": importance, "text": text}
    found = {name: value for name, value in said.items() if value is not None}
    if due is not None:
        found["due_on"] = None if due == NO else _day(due)
    if remind is not None:
        found["remind_at"] = None if remind == NO else _moment(remind)
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"“{text[:40]}” is no day: write it like 2026-12-01") from None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=_zone())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"“{text[:40]}” is no time: write it like 2026-12-01T09:00") from None


def _today() -> date:
    return utcnow().astimezone(_zone()).date()


def _zone() -> ZoneInfo:
    return ZoneInfo(current().settings.web.time_zone)


def _print(row: TaskRow, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_row(row), ensure_ascii=False))
        return
    if row.state == "done" and row.done_at:
        state = f"done {row.done_at.astimezone(_zone()):%Y-%m-%d}" + (f" by {row.done_by}" if row.done_by else "")
    elif row.state == "cancelled":
        state = "cancelled"
    else:
        late = " (overdue)" if row.is_overdue(_today()) else ""
        state = f"due {row.due_on}{late}" if row.due_on else "no date"
    clients = f" ({', '.join(client.name for client in row.clients)})" if row.clients else ""
    who = f", {row.responsible}" if row.responsible and row.state != "done" else ""
    typer.echo(f"{row.id:>6}  {row.subject}{clients}: {state}{who}")


def _row(row: TaskRow) -> dict[str, Any]:
    def when(moment: datetime | None) -> str | None:
        return moment.isoformat(timespec="seconds") if moment else None

    return {
        "id": row.id,
        "subject": row.subject,
        "text": row.text,
        "state": row.state,
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "is_overdue": row.is_overdue(_today()),
        "remind_at": when(row.remind_at),
        "importance": row.importance,
        "responsible": row.responsible,
        "author": row.author,
        "set_at": when(row.set_at),
        "done_at": when(row.done_at),
        "done_by": row.done_by,
        "cancelled_at": when(row.cancelled_at),
        "clients": [{"entity": c.entity, "id": c.entity_id, "name": c.name} for c in row.clients],
    }
