"""What the owner of a mailbox changed of tasks in Outlook, as it was before an undone run read it (Y3, W3).

What a task said before is kept with the run (`task_changes`), for as long as the run's details are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select

from terracrm.models import SyncRunItem, Task, utcnow
from terracrm.services import audit, tasks
from terracrm.services.field_history import UNDO
from terracrm.services.task_changes import CHANGE, state_of
from terracrm.services.undo_act import CHANGED, TASK, Act, PutBack, Thing


def put_back(act: Act) -> None:
    """Tasks say again what they said, where they still say what the run made them say; Outlook is owed that."""
    session = act.session
    mine = SyncRunItem.run_id == act.run.id, SyncRunItem.outcome == CHANGE
    for item in session.scalars(select(SyncRunItem).where(*mine).order_by(SyncRunItem.id.desc())).all():
        told = json.loads(item.detail)
        task = session.get(Task, told["task"], with_for_update=True, populate_existing=True)
        if task is not None:
            _put_back(act, task, told["fields"])


def _put_back(act: Act, task: Task, fields: Mapping[str, list[Any]]) -> None:
    thing = Thing(TASK, task.activity_id, at=task.activity.occurred_at)
    now, done = state_of(task), []
    for name, (old, new) in fields.items():
        if now[name] == new:
            _SET[name](task, old)
            done.append(name)
        elif now[name] != old:
            act.keep(thing, CHANGED, name)
    if done:
        task.changed_at = utcnow()
        detail = f"undo of run {act.run.id}: {', '.join(done)}"
        audit.record(act.session, act.origin.user_id, "task.change", "task", task.activity_id, detail)
        tasks.renew(act.session, task, UNDO)
        act.effect.put_back += [PutBack(thing, name, "", "") for name in done]


def _set_done(task: Task, value: list[Any]) -> None:
    done_at, task.done_by_id, cancelled_at, stood_at = value
    task.done_at, task.cancelled_at = _moment(done_at), _moment(cancelled_at)
    task.activity.occurred_at = datetime.fromisoformat(stood_at)


def _set_subject(task: Task, value: str) -> None:
    task.activity.subject = value


def _setter(name: str, read: Callable[[str], Any]) -> Callable[[Task, Any], None]:
    return lambda task, value: setattr(task, name, read(value))


def _moment(value: str) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


_SET: Final[Mapping[str, Callable[[Task, Any], None]]] = {
    "subject": _set_subject,
    "text": _setter("text", str),
    "due_on": _setter("due_on", lambda value: date.fromisoformat(value) if value else None),
    "remind_at": _setter("remind_at", _moment),
    "importance": _setter("importance", str),
    "done_on": _set_done,
}
