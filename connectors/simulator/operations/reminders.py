"""GetReminders and PerformReminderAction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from connectors.simulator import render, targets
from connectors.simulator.calendar_items import end_of, start_of
from connectors.simulator.calendar_series import occurrence
from connectors.simulator.elements import add as add_value
from connectors.simulator.elements import moment_of, read_moment, xml_moment
from connectors.simulator.errors import SchemaViolation
from connectors.simulator.operations.calendar import in_window
from connectors.simulator.overrides import set_override
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import holding, listed, success
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, add, m, make, put, t, text_of

_DAY = timedelta(days=1)
_MOST = 200


@operation("GetReminders")
def get_reminders(call: Call) -> Element:
    """The reminders of the calendar that are due in a window; by default those of a day back and a day ahead."""
    now = read_moment(call.store.stamp())
    assert now is not None
    first = read_moment(call.request.findtext(m("BeginTime"), "")) or now - _DAY
    last = read_moment(call.request.findtext(m("EndTime"), "")) or now + _DAY
    kind = call.request.findtext(m("ReminderType"), "All")
    most = call.request.findtext(m("MaxItems"), "")
    calendar = call.store.folders.distinguished(call.user, "calendar")
    made = []
    for row, element in in_window(call, calendar, first, last + 7 * _DAY):
        due = _due(element)
        if due is None or not first <= due <= last:
            continue
        if kind == "All" or (kind == "Current") == (end_of(element) >= now):
            made.append(_reminder(row, element, due))
    limit = int(most) if most.isdigit() and int(most) else _MOST
    return success("GetRemindersResponse", [holding("Reminders", *made[:limit])])


def _due(element: Element) -> datetime | None:
    if text_of(element, "ReminderIsSet") != "true":
        return None
    snoozed = moment_of(element, "ReminderNextTime")
    if snoozed is not None:
        return snoozed
    return start_of(element) - timedelta(minutes=int(text_of(element, "ReminderMinutesBeforeStart", "15")))


def _reminder(row: ItemRow, element: Element, due: datetime) -> Element:
    made = make("Reminder")
    add(made, "Subject", text_of(element, "Subject"))
    add(made, "Location", text_of(element, "Location"))
    add_value(made, "ReminderTime", due)
    add_value(made, "StartDate", start_of(element))
    add_value(made, "EndDate", end_of(element))
    made.append(render.item_id(row))
    if row.occurrence is not None:
        made.append(render.item_id(replace(row, occurrence=None), "RecurringMasterItemId"))
    add(made, "ReminderGroup", "Calendar")
    add(made, "UID", text_of(element, "UID"))
    return made


@operation("PerformReminderAction")
def perform_reminder_action(call: Call) -> Element:
    """Dismiss reminders, or put them off until NewReminderTime."""
    changed = [_perform(call, action) for action in listed(call, "ReminderItemActions")]
    return success("PerformReminderActionResponse", [holding("UpdatedItemIds", *map(render.item_id, changed))])


def _perform(call: Call, action: Element) -> ItemRow:
    named = action.find(t("ItemId"))
    if named is None:
        raise SchemaViolation("The element 'ReminderItemAction' has incomplete content: 'ItemId'.")
    row = targets.item(call, named, "edit")
    element = render.properties_of(call, row)
    if text_of(action, "ActionType") == "Dismiss":
        put(element, "ReminderIsSet", "false")
    else:
        until = read_moment(text_of(action, "NewReminderTime"))
        if until is None:
            raise SchemaViolation("The element 'NewReminderTime' is invalid.")
        put(element, "ReminderNextTime", xml_moment(until))
    if row.occurrence is None:
        return call.store.items.rewrite(row, element, by=call.user)
    master = call.store.items.element(row)
    set_override(master, occurrence(master, row.occurrence).original, element)
    return call.store.items.rewrite(row, master, by=call.user)
