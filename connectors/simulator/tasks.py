"""How far a task is: Status, PercentComplete and CompleteDate say it together, and the last that is written decides.

[MS-OXOTASK]: one that recurs goes on when it is done, and leaves a copy behind that is.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import date, time
from typing import TYPE_CHECKING

from connectors.simulator.errors import EwsError
from connectors.simulator.recurrence import read_series, slots
from connectors.simulator.schema import add, drop, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.rows import Mailbox
    from connectors.simulator.schema import Element

PROGRESS = ("CompleteDate", "PercentComplete", "Status")
"""In the order of the schema, which is that of a new task."""
_DESCRIPTIONS = {
    "NotStarted": "Not Started",
    "InProgress": "In Progress",
    "Completed": "Completed",
    "WaitingOnOthers": "Waiting on someone else",
    "Deferred": "Deferred",
}


def complete(mailbox: Mailbox, element: Element, now: str) -> None:
    """Fill in what a new task has without being told."""
    told = [name for name in PROGRESS if element.find(t(name)) is not None]
    for name, text in (
        ("ChangeCount", "1"),
        ("DelegationState", "NoMatch"),
        ("IsAssignmentEditable", "0"),
        ("IsTeamTask", "false"),
        ("Owner", mailbox.name),
        ("PercentComplete", "0"),
        ("Status", "NotStarted"),
    ):
        if element.find(t(name)) is None:
            add(element, name, text)
    if told:
        follow(element, told[-1], now)


def follow(element: Element, name: str, now: str) -> None:
    """Bring the two others in line with the one of PROGRESS that was written or deleted.

    Raises ErrorInvalidCompleteDate for a day that is yet to come.
    """
    status, percent = text_of(element, "Status", "NotStarted"), float(text_of(element, "PercentComplete", "0"))
    done_on = text_of(element, "CompleteDate")
    if name == "CompleteDate":
        if done_on > now:
            raise EwsError("ErrorInvalidCompleteDate")
        status = "Completed" if done_on else "NotStarted"
    elif name == "PercentComplete":
        status = "Completed" if percent >= 100 else "InProgress" if percent else "NotStarted"
    if status == "Completed":
        _put(element, "Completed", 100)
        put(element, "CompleteDate", done_on or f"{now[:10]}T00:00:00Z")
        put(element, "ReminderIsSet", "false")
        return
    is_begun = name == "PercentComplete" or percent < 100
    _put(element, status, percent if is_begun and status != "NotStarted" else 0)
    drop(element, "CompleteDate")


def refresh(element: Element) -> None:
    """After any write: what follows from how far it is."""
    status = text_of(element, "Status", "NotStarted")
    put(element, "IsComplete", "true" if status == "Completed" else "false")
    put(element, "StatusDescription", _DESCRIPTIONS.get(status, status))
    put(element, "IsRecurring", "true" if element.find(t("Recurrence")) is not None else "false")


def _put(element: Element, status: str, percent: float) -> None:
    put(element, "Status", status)
    put(element, "PercentComplete", f"{percent:g}")


def move_on(element: Element, now: str) -> Element | None:
    """Of a recurring task that was just done: the copy that stays done, while the task goes on to its next day.

    None for any other task, and for the last time of a recurring one.
    """
    recurrence = element.find(t("Recurrence"))
    series = read_series(recurrence) if recurrence is not None else None
    due = text_of(element, "DueDate") or text_of(element, "StartDate")
    if series is None or not due or text_of(element, "Status") != "Completed":
        return None
    today = date.fromisoformat(due[:10])
    days = (slot.start.date() for slot in slots(series, time(0)))
    following = next((each for each in days if each > today), None)
    if following is None:
        return None
    done = deepcopy(element)
    drop(done, "Recurrence")
    for name in ("StartDate", "DueDate"):
        if text_of(element, name):
            moved = date.fromisoformat(text_of(element, name)[:10]) + (following - today)
            put(element, name, f"{moved.isoformat()}T00:00:00Z")
    put(element, "Status", "NotStarted")
    follow(element, "Status", now)
    return done
