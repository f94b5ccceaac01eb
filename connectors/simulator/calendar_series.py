"""The occurrences of calendar items: expanded, one by one, and as their master tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from connectors.simulator.calendar_items import (
    as_utc,
    end_of,
    forget_series,
    refresh,
    series_of,
    start_of,
    zone_of,
)
from connectors.simulator.elements import replace
from connectors.simulator.errors import EwsError
from connectors.simulator.overrides import PRIVATE, deletions, overrides
from connectors.simulator.recurrence import Series, last_slot, slot, slots, slots_between
from connectors.simulator.schema import Element, put

# The number of an occurrence is two bytes of its id.
_MOST_OCCURRENCES = 65_535


@dataclass(frozen=True)
class Occurrence:
    """One occurrence that was not deleted; `number` counts the places of the series from 1.

    `original` is where the series puts it; `changed` is what it became where it is an exception. All in UTC.
    """

    number: int
    original: datetime
    start: datetime
    end: datetime
    changed: Element | None = None


def occurrences_between(master: Element, first: datetime, last: datetime) -> list[Occurrence]:
    """The occurrences that end at or after `first` and start before `last`, by start.

    An item that does not recur has none.
    """
    series = series_of(master)
    if series is None:
        return []
    length, gone, changed = end_of(master) - start_of(master), deletions(master), overrides(master)
    found = [one for one in _changed(master, series, changed) if one.end >= first and one.start < last]
    for number, start in _places(master, series, first - length, last):
        if start not in gone and start not in changed:
            found.append(Occurrence(number, start, start, start + length))
    return sorted(found, key=lambda one: (one.start, one.number))


def occurrence(master: Element, number: int) -> Occurrence:
    """The occurrence with this number.

    Raises ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange, or ErrorCalendarOccurrenceIsDeletedFromRecurrence.
    """
    series = series_of(master)
    place = slot(series, _time_of(master), number) if series and number <= _MOST_OCCURRENCES else None
    if place is None:
        raise EwsError(
            "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
            "Occurrence index is out of recurrence range.",
        )
    start = as_utc(place.start, zone_of(master))
    if start in deletions(master):
        raise EwsError("ErrorCalendarOccurrenceIsDeletedFromRecurrence", "Occurrence is deleted from the recurrence.")
    element = overrides(master).get(start)
    if element is not None:
        return Occurrence(number, start, start_of(element), end_of(element), element)
    return Occurrence(number, start, start, start + (end_of(master) - start_of(master)))


def occurrence_at(master: Element, original: datetime) -> Occurrence | None:
    """The occurrence that the series puts at this moment; None where there is none or it was deleted."""
    series = series_of(master)
    found = next(_places(master, series, original, original + timedelta(seconds=1)), None) if series else None
    if found is None or original in deletions(master):
        return None
    return occurrence(master, found[0])


def element_of(master: Element, one: Occurrence) -> Element:
    """The properties of an occurrence: those of its master, or its own where it is an exception."""
    element = deepcopy(master if one.changed is None else one.changed)
    for private in element.findall(f"{{{PRIVATE}}}*"):
        element.remove(private)
    forget_series(element)
    replace(element, "Start", one.start)
    replace(element, "End", one.end)
    replace(element, "OriginalStart", one.original)
    replace(element, "RecurrenceId", one.original)
    put(element, "CalendarItemType", "Occurrence" if one.changed is None else "Exception")
    put(element, "IsRecurring", "true")
    refresh(element)
    return element


def first_occurrence(master: Element) -> Occurrence | None:
    """The first occurrence that was not deleted."""
    series = series_of(master)
    if series is None:
        return None
    gone = deletions(master)
    for place in slots(series, _time_of(master)):
        if place.number > _MOST_OCCURRENCES or place.number > len(gone) + 1:
            return None
        if as_utc(place.start, zone_of(master)) not in gone:
            return occurrence(master, place.number)
    return None


def last_occurrence(master: Element) -> Occurrence | None:
    """The last occurrence that was not deleted; None for a series without end."""
    series = series_of(master)
    place = last_slot(series, _time_of(master)) if series else None
    gone = deletions(master)
    for number in range(place.number if place else 0, 0, -1):
        held = slot(series, _time_of(master), number) if series else None
        if held and as_utc(held.start, zone_of(master)) not in gone:
            return occurrence(master, number)
    return None


def exceptions(master: Element) -> list[Occurrence]:
    """The changed occurrences, by their original start."""
    series = series_of(master)
    return [] if series is None else sorted(_changed(master, series, overrides(master)), key=lambda one: one.number)


def crosses_neighbour(master: Element, one: Occurrence, start: datetime, end: datetime) -> bool:
    """Whether an occurrence that is moved there would overlap or pass the one before or after it."""
    for number in (one.number - 1, one.number + 1):
        try:
            other = occurrence(master, number)
        except EwsError:
            continue
        if (number < one.number and start < other.end) or (number > one.number and end > other.start):
            return True
    return False


def _changed(master: Element, series: Series, changed: dict[datetime, Element]) -> Iterator[Occurrence]:
    for original, element in changed.items():
        place = next(_places(master, series, original, original + timedelta(seconds=1)), None)
        if place is not None:
            yield Occurrence(place[0], original, start_of(element), end_of(element), element)


def _places(master: Element, series: Series, first: datetime, last: datetime) -> Iterator[tuple[int, datetime]]:
    """Number and start of the places of the series that start from `first` to before `last`."""
    zone = zone_of(master)
    # A day more on either side: local time and UTC differ by up to 14 hours, and by another one when clocks change.
    low = (first.astimezone(zone) if first.year > 1 else first).replace(tzinfo=None)
    high = (last.astimezone(zone) if last.year < 9999 else last).replace(tzinfo=None)
    low, high = _shifted(low, -1), _shifted(high, 1)
    for place in slots_between(series, _time_of(master), low, high):
        if place.number > _MOST_OCCURRENCES:
            return
        start = as_utc(place.start, zone)
        if first <= start < last:
            yield place.number, start


def _time_of(master: Element) -> time:
    return start_of(master).astimezone(zone_of(master)).time()


def _shifted(moment: datetime, days: int) -> datetime:
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return moment
