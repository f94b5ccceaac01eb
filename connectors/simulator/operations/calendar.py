"""What calendars do beyond other folders: views with occurrences, changes of one occurrence, neighbours in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from connectors.simulator import calendar_items, properties, render
from connectors.simulator.calendar_items import end_of, refresh, start_of
from connectors.simulator.calendar_series import (
    Occurrence,
    crosses_neighbour,
    element_of,
    exceptions,
    first_occurrence,
    last_occurrence,
    occurrence,
    occurrences_between,
)
from connectors.simulator.elements import add as add_value
from connectors.simulator.elements import read_moment
from connectors.simulator.errors import EwsError
from connectors.simulator.meetings import mark_update, notify_cancelled, notify_changed
from connectors.simulator.operations.update import apply
from connectors.simulator.overrides import delete_occurrence, drop_overrides, set_override
from connectors.simulator.registry import Call, hooks
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import Element, make, put, t, text_of
from connectors.simulator.shapes import Shape

_WIDEST_VIEW = timedelta(days=2 * 366)
# Changed times give every occurrence another place.
_PLACES = ("Start", "End", "Recurrence", "IsAllDayEvent")

Found = tuple[ItemRow, Element]


def calendar_view(call: Call, folder: FolderRow, view: Element) -> list[Found]:
    """Every single item and occurrence in the window, by start; one that ends as the window begins is in it."""
    first, last = _bound(view.get("StartDate")), _bound(view.get("EndDate"))
    if last - first > _WIDEST_VIEW:
        raise EwsError(
            "ErrorCalendarViewRangeTooBig", "The specified view range exceeds the maximum range of two years."
        )
    return in_window(call, folder, first, last)


def in_window(call: Call, folder: FolderRow, first: datetime, last: datetime) -> list[Found]:
    """The items and occurrences of a calendar in a window, by start."""
    found: list[Found] = []
    for row, element in call.store.items.in_folder_with_elements(folder):
        if row.kind != "CalendarItem":
            continue
        if element.find(t("Recurrence")) is not None:
            for one in occurrences_between(element, first, last):
                found.append((replace(row, occurrence=one.number), element_of(element, one)))
        elif start_of(element) < last and end_of(element) >= first:
            found.append((row, element))
    return sorted(found, key=lambda one: (start_of(one[1]), one[0].number))


def _bound(text: str | None) -> datetime:
    found = read_moment(text or "")
    if found is None:
        raise EwsError("ErrorInvalidTimeInterval", "The time interval is invalid.")
    return found


def occurrence_properties(call: Call, row: ItemRow) -> Element:
    """The properties of the occurrence for which a row stands."""
    master, one = _occurrence(call, row)
    return element_of(master, one)


def _occurrence(call: Call, row: ItemRow) -> tuple[Element, Occurrence]:
    master = call.store.items.element(row)
    if row.kind != "CalendarItem" or master.find(t("Recurrence")) is None:
        raise EwsError("ErrorCalendarCannotUseIdForRecurringMasterId", "The id is not that of a recurring master.")
    return master, occurrence(master, row.occurrence or 0)


def update_occurrence(call: Call, row: ItemRow, updates: list[Element], send: str) -> ItemRow:
    """Make one occurrence an exception. Raises ErrorOccurrenceCrossingBoundary where it would meet another."""
    master, one = _occurrence(call, row)
    element = element_of(master, one)
    before = element_of(master, one)
    touched = apply(updates, "CalendarItem", element, now=call.store.stamp(), draft=False, zone=call.time_zone)
    if "Recurrence" in touched:
        raise EwsError("ErrorInvalidPropertySet", "An occurrence has no recurrence of its own.")
    start, end = start_of(element), end_of(element)
    if end < start:
        raise EwsError("ErrorCalendarEndDateIsEarlierThanStartDate", "EndDate is earlier than StartDate")
    if crosses_neighbour(master, one, start, end):
        raise EwsError("ErrorOccurrenceCrossingBoundary")
    properties.refresh(call.store, row.mailbox, element, frozenset(touched))
    mark_update(before, element, send)
    refresh(element)
    set_override(master, one.original, element)
    changed = call.store.items.rewrite(row, master, by=call.user)
    notify_changed(call, changed, before, element, send)
    return render.fresh(call, changed)


def remove_occurrence(call: Call, row: ItemRow, send: str) -> None:
    """Delete one occurrence of a series."""
    master, one = _occurrence(call, row)
    notify_cancelled(call, row, element_of(master, one), send)
    delete_occurrence(master, one.original)
    call.store.items.rewrite(replace(row, occurrence=None), master, by=call.user)


def updated(call: Call, row: ItemRow, before: Element, now: Element, send: str) -> None:
    """After an update: what follows from it, the exceptions of another pattern forgotten, the attendees told."""
    element = call.store.items.element(row)
    calendar_items.arrange_times(element)
    if any(_written(before, name) != _written(element, name) for name in _PLACES):
        drop_overrides(element)
    mark_update(before, element, send)
    refresh(element)
    call.store.items.rewrite(row, element, by=call.user)
    notify_changed(call, row, before, element, send)


def _written(element: Element, name: str) -> list[str]:
    found = element.find(t(name))
    return [] if found is None else [(part.text or "").strip() for part in found.iter()]


def _info(name: str, row: ItemRow, one: Occurrence | None) -> Element | None:
    """An OccurrenceInfo: id, start, end and original start of an occurrence."""
    if one is None:
        return None
    made = make(name)
    made.append(render.item_id(replace(row, occurrence=one.number)))
    for part, moment in (("Start", one.start), ("End", one.end), ("OriginalStart", one.original)):
        add_value(made, part, moment)
    return made


def _first(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    return _info("FirstOccurrence", row, first_occurrence(source))


def _last(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    return _info("LastOccurrence", row, last_occurrence(source))


def _modified(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    found = exceptions(source)
    made = make("ModifiedOccurrences")
    for one in found:
        info = _info("Occurrence", row, one)
        if info is not None:
            made.append(info)
    return made if found else None


def _neighbours(call: Call, row: ItemRow, source: Element, *, adjacent: bool) -> list[Found]:
    """The meetings at the same time, or those that end as this one starts or start as it ends."""
    if row.kind != "CalendarItem" or text_of(source, "LegacyFreeBusyStatus") == "Free":
        return []
    start, end = start_of(source), end_of(source)
    folder = call.store.folders.get(row.folder)
    found = []
    for other, element in in_window(call, folder, start, end + timedelta(seconds=1)):
        if other.number == row.number or text_of(element, "LegacyFreeBusyStatus") == "Free":
            continue
        touches = end_of(element) == start or start_of(element) == end
        if touches == adjacent:
            found.append((other, element))
    return found


def _count(name: str, *, adjacent: bool) -> render.Computer:
    def compute(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
        if row.kind != "CalendarItem":
            return None
        return make(name, str(len(_neighbours(call, row, source, adjacent=adjacent))))

    return compute


_SHOWN_OF_NEIGHBOURS = ("Subject", "Start", "End", "LegacyFreeBusyStatus", "Location")


def _listed(name: str, *, adjacent: bool) -> render.Computer:
    def compute(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
        found = _neighbours(call, row, source, adjacent=adjacent)
        made = make(name)
        for other, element in found:
            item = make("CalendarItem")
            item.append(render.item_id(other))
            for part in _SHOWN_OF_NEIGHBOURS:
                if text_of(element, part):
                    put(item, part, text_of(element, part))
            made.append(item)
        return made if found else None

    return compute


def _associated(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    """The calendar item of a meeting message, in the mailbox of the message."""
    if not row.kind.startswith("Meeting"):
        return None
    calendar = call.store.folders.distinguished(row.mailbox, "calendar")
    for other in call.store.items.by_uid(row.mailbox, text_of(source, "UID")):
        if other.kind == "CalendarItem" and other.folder == calendar.number:
            return render.item_id(other, "AssociatedCalendarItemId")
    return None


hooks.calendar_view = calendar_view
hooks.occurrence = occurrence_properties
hooks.update_occurrence = update_occurrence
hooks.delete_occurrence = remove_occurrence
hooks.complete_calendar = calendar_items.complete
hooks.calendar_updated = updated
render.computes("FirstOccurrence", _first)
render.computes("LastOccurrence", _last)
render.computes("ModifiedOccurrences", _modified)
render.computes("ConflictingMeetingCount", _count("ConflictingMeetingCount", adjacent=False))
render.computes("AdjacentMeetingCount", _count("AdjacentMeetingCount", adjacent=True))
render.computes("ConflictingMeetings", _listed("ConflictingMeetings", adjacent=False))
render.computes("AdjacentMeetings", _listed("AdjacentMeetings", adjacent=True))
render.computes("AssociatedCalendarItemId", _associated)
