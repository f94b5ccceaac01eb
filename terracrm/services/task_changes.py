"""What people change of tasks in Outlook, kept with the run that read it, so that the run can be undone (Y3, W3)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from terracrm.models import SyncRunItem, Task
from terracrm.services.sources import Source

CHANGE: Final = "changed"
"""SyncRunItem.outcome of a task that was changed in Outlook; `detail` says what it said before and then."""
State = dict[str, Any]


def state_of(task: Task) -> State:
    """What a task says, in JSON terms; "done_on" is whether and by whom it was done, or cancelled.

    And so where it stands in the history.
    """
    return {
        "subject": task.activity.subject,
        "text": task.text,
        "due_on": iso(task.due_on),
        "remind_at": iso(task.remind_at),
        "importance": task.importance,
        "done_on": [iso(task.done_at), task.done_by_id, iso(task.cancelled_at), iso(task.activity.occurred_at)],
    }


def note(session: Session, source: Source, remote_id: str, task: Task, before: State) -> None:
    """Keep with the run what it changed of a task."""
    now = state_of(task)
    changed = {name: [before[name], now[name]] for name in now if before[name] != now[name]}
    detail = json.dumps({"task": task.activity_id, "fields": changed}, ensure_ascii=False)
    session.add(
        SyncRunItem(
            run_id=source.run_id,
            folder_id=source.folder_id,
            remote_id=remote_id,
            outcome=CHANGE,
            rule="task",
            detail=detail,
        )
    )


def iso(value: date | None) -> str:
    """A day, or a time in UTC, as it is kept; "" for none."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    return value.isoformat() if value else ""
