"""Tasks: my own, one with all that is known of it, and what is done about them (W3, P4, P7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import LazyString, lazy_gettext
from werkzeug.wrappers import Response

from terracrm.domain.topics import COMPANY, CONTACT
from terracrm.models import utcnow
from terracrm.services import access, companies, contacts, task_list, tasks, topics, why
from terracrm.services.task_list import Filters, TaskRow
from terracrm.services.tasks import Draft, TaskRefused
from web import queries
from web.configured import time_zone
from web.database import give_up, session
from web.formats import local_day
from web.signed_in import safe_next, viewer

pages = Blueprint("tasks", __name__, url_prefix="/tasks")
SHOWN = ("open", "done", "given")
FIELDS = ("subject", "text", "due_on", "remind_at", "importance", "responsible_id")
MAX_FORM_TEXT = 200_000
REFUSED: dict[str, LazyString] = {
    "no_subject": lazy_gettext("A task needs a subject."),
    "long_subject": lazy_gettext("The subject is too long: put the rest into the text."),
    "long_text": lazy_gettext("The text is too long."),
    "importance": lazy_gettext("Choose the importance from the list."),
    "day": lazy_gettext("The day lies too far away."),
    "reminder": lazy_gettext("The reminder lies too far away."),
    "nobody": lazy_gettext("Say who is to do the task."),
    "not_a_manager": lazy_gettext("Only a client manager who may sign in can be given a task."),
    "cancelled": lazy_gettext("This task was cancelled meanwhile. Reopen it first."),
    "done": lazy_gettext("This task was done meanwhile. Reopen it first."),
}


@pages.get("")
def index() -> str:
    """My tasks: the open ones by due date, those that are done, or those that I gave to others."""
    access.require_content(viewer())
    shown = queries.choice("show", SHOWN)
    me = viewer().user_id
    filters = Filters(author_id=me, is_given=True) if shown == "given" else Filters("open", me)
    if shown == "done":
        filters = Filters("done", me)
    listing = task_list.listing(session(), viewer(), filters, queries.page())
    return render_template("tasks/index.html", listing=listing, shown=shown, today=today())


@pages.get("/<int(max=2147483647):task_id>")
def show(task_id: int) -> str:
    """One task."""
    return render_template(
        "tasks/show.html",
        task=task_list.one(session(), viewer(), task_id),
        topics=topics.of_activity(session(), viewer(), task_id),
        may_set=viewer().decides,
        why=why.activity(session(), viewer(), task_id),
        today=today(),
    )


@pages.get("/new")
def new() -> str:
    """The form of a new task, about the client that is named, or about nobody."""
    tasks.require_right(viewer())
    said = {"responsible_id": str(viewer().user_id), "importance": "normal"}
    return _form(said, client=_client(queries.number("contact"), queries.number("company")))


@pages.post("")
def add() -> Response | tuple[str, int]:
    """Set a task, and go on where it was set."""
    tasks.require_right(viewer())
    said = _said()
    client = _client(_number("contact_id"), _number("company_id"))
    try:
        task = tasks.add(
            session(), viewer(), Draft(**_draft(said)), responsible_id=_number("responsible_id"), **_about(client)
        )
    except TaskRefused as refused:
        give_up()
        return _form(said, client=client, problem=REFUSED[refused.reason]), 400
    return _back(task.activity_id)


@pages.get("/<int(max=2147483647):task_id>/edit")
def edit(task_id: int) -> str:
    """The form of a task."""
    tasks.to_be_changed(session(), viewer(), task_id)
    row = task_list.one(session(), viewer(), task_id)
    return _form(_as_said(row), was=_as_said(row), task=row)


@pages.post("/<int(max=2147483647):task_id>/edit")
def change(task_id: int) -> Response | tuple[str, int]:
    """Change what differs from what the form showed: what others changed meanwhile stays."""
    tasks.to_be_changed(session(), viewer(), task_id)
    row, said = task_list.one(session(), viewer(), task_id), _said()
    was = {name: _text(f"was_{name}") for name in FIELDS}
    changed = {name: said[name] for name in FIELDS if said[name] != was[name]}
    try:
        tasks.change(session(), viewer(), task_id, _draft({k: v for k, v in changed.items() if k != "responsible_id"}))
        if "responsible_id" in changed:
            tasks.assign(session(), viewer(), task_id, _number("responsible_id") or 0)
    except TaskRefused as refused:
        give_up()
        return _form(said, was=was, task=row, problem=REFUSED[refused.reason]), 400
    return redirect(url_for("tasks.show", task_id=task_id))


@pages.post("/<int(max=2147483647):task_id>/done")
def done(task_id: int) -> Response | tuple[str, int]:
    """It is done."""
    return _act(tasks.done, task_id)


@pages.post("/<int(max=2147483647):task_id>/reopen")
def reopen(task_id: int) -> Response | tuple[str, int]:
    """It is to be done after all."""
    return _act(tasks.reopen, task_id)


@pages.post("/<int(max=2147483647):task_id>/cancel")
def cancel(task_id: int) -> Response | tuple[str, int]:
    """It is not to be done any more."""
    return _act(tasks.cancel, task_id)


def of_client(entity: str, client_id: int) -> dict[str, Any]:
    """What the profile of a client shows of tasks: the next ones, and who can be given another."""
    if not viewer().reads_content:
        return {"tasks": [], "assignees": [], "today": today()}
    assignees = tasks.assignees(session()) if viewer().decides else []
    found = task_list.of_client(session(), viewer(), entity, client_id)
    return {"tasks": found, "assignees": assignees, "today": today()}


def today() -> date:
    """The day of the office."""
    return local_day(utcnow())


def _act(act: Any, task_id: int) -> Response | tuple[str, int]:
    try:
        act(session(), viewer(), task_id)
    except TaskRefused as refused:
        queries.refuse(REFUSED[refused.reason])
    return _back(task_id)


def _back(task_id: int) -> Response:
    """Where the button was, or the task."""
    return redirect(safe_next(request.form.get("next") or url_for("tasks.show", task_id=task_id)))


def _form(
    said: Mapping[str, str],
    *,
    was: Mapping[str, str] | None = None,
    task: TaskRow | None = None,
    client: tuple[str, int, str] | None = None,
    problem: LazyString | str = "",
) -> str:
    return render_template(
        "tasks/form.html",
        said=said,
        was=was or {},
        task=task,
        client=client,
        assignees=tasks.assignees(session()),
        importances=tasks.IMPORTANCES,
        problem=problem,
        next=_text("next"),
    )


def _client(contact_id: int | None, company_id: int | None) -> tuple[str, int, str] | None:
    """The kind, number and name of the client; NotFound for one that the viewer does not see."""
    if contact_id:
        return CONTACT, contact_id, contacts.get(session(), viewer(), contact_id).display_name
    if company_id:
        return COMPANY, company_id, companies.profile(session(), viewer(), company_id).company.name
    return None


def _about(client: tuple[str, int, str] | None) -> dict[str, int]:
    return {f"{client[0]}_id": client[1]} if client else {}


def _as_said(row: TaskRow) -> dict[str, str]:
    """What the form of a task shows."""
    remind_at = row.remind_at.astimezone(time_zone()) if row.remind_at else None
    return {
        "subject": row.subject,
        "text": row.text,
        "due_on": row.due_on.isoformat() if row.due_on else "",
        "remind_at": remind_at.strftime("%Y-%m-%dT%H:%M") if remind_at else "",
        "importance": row.importance,
        "responsible_id": str(row.responsible_id or ""),
    }


def _said() -> dict[str, str]:
    found = {name: _text(name) for name in FIELDS}
    return found | {"importance": found["importance"] or "normal"}


def _draft(said: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a Draft that the form says; the reminder is in the time zone of the office."""
    read = {"due_on": _day, "remind_at": _moment}
    return {name: read[name](value) if name in read else value for name, value in said.items() if name in _DRAFT}


_DRAFT = frozenset(tasks.DRAFT_FIELDS)


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        queries.refuse(lazy_gettext("“%(value)s” is not a date. Write it like 2026-11-23.", value=value[:40]))


def _moment(value: str) -> datetime | None:
    try:
        if not value:
            return None
        return datetime.fromisoformat(value).replace(tzinfo=time_zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        queries.refuse(lazy_gettext("“%(value)s” is not a time. Write it like 2026-11-23 09:00.", value=value[:40]))


def _number(name: str) -> int | None:
    found = request.form.get(name, "").strip()
    return queries.whole(found) if found else None


def _text(name: str) -> str:
    text = request.form.get(name, "").replace("\x00", "")[:MAX_FORM_TEXT]
    return text.replace("\r\n", "\n").strip()
