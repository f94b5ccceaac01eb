"""What the server knows about a calendar item without being told: defaults, whole days, the first of a series."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from connectors.simulator import people, timezones
from connectors.simulator.elements import moment_of, replace, xml_duration
from connectors.simulator.errors import EwsError
from connectors.simulator.recurrence import Series, read_series, slot, write_series
from connectors.simulator.rows import Mailbox
from connectors.simulator.schema import Element, add, drop, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

ATTENDEES = ("RequiredAttendees", "OptionalAttendees", "Resources")
# [MS-OXOCAL] 2.2.1.10, PidLidAppointmentStateFlags.
MEETING, RECEIVED, CANCELLED = 1, 2, 4
# Where the id of a meeting begins ([MS-OXOCAL] 2.2.1.27, PidLidGlobalObjectId).
_UID_HEAD = "040000008200E00074C5B7101A82E00800000000"
_LONGEST = timedelta(days=5 * 366)
_DEFAULTS = {
    "IsAllDayEvent": "false",
    "IsCancelled": "false",
    "MeetingRequestWasSent": "false",
    "IsResponseRequested": "true",
    "AppointmentSequenceNumber": "0",
    "ConferenceType": "0",
    "AllowNewTimeProposal": "true",
    "IsOnlineMeeting": "false",
    "ReminderMinutesBeforeStart": "15",
}


def complete(store: Store, element: Element, owner: Mailbox) -> None:
    """Fill what the server sets on a new calendar item. Raises the errors of `arrange_times`."""
    if not text_of(element, "UID"):
        put(element, "UID", new_uid())
    if not text_of(element, "DateTimeStamp"):
        put(element, "DateTimeStamp", store.stamp())
    for name, text in _DEFAULTS.items():
        if element.find(t(name)) is None:
            add(element, name, text)
    if not text_of(element, "Start"):
        put(element, "Start", store.stamp())
    if not text_of(element, "End"):
        put(element, "End", text_of(element, "Start"))
    arrange_times(element)
    if element.find(t("Organizer")) is None:
        add(element, "Organizer").append(people.address(owner.name, owner.address, "Mailbox"))
    if not text_of(element, "MyResponseType"):
        put(element, "MyResponseType", _own_response(element, owner))
    if not text_of(element, "LegacyFreeBusyStatus"):
        put(element, "LegacyFreeBusyStatus", "Free" if is_true(element, "IsAllDayEvent") else "Busy")
    refresh(element)


def refresh(element: Element) -> None:
    """After any change: what follows from attendees, times and recurrence."""
    invited = any(element.find(f"{t(name)}/{t('Attendee')}") is not None for name in ATTENDEES)
    received = text_of(element, "MyResponseType") not in ("", "Organizer", "Unknown")
    put(element, "IsMeeting", "true" if invited or received else "false")
    state = (MEETING if invited or received else 0) | (RECEIVED if received else 0)
    put(element, "AppointmentState", str(state | (CANCELLED if is_true(element, "IsCancelled") else 0)))
    for name in ATTENDEES:
        for attendee in element.iterfind(f"{t(name)}/{t('Attendee')}"):
            if attendee.find(t("ResponseType")) is None:
                add(attendee, "ResponseType", "Unknown")
    put(element, "Duration", xml_duration(end_of(element) - start_of(element)))
    put(element, "IsOrganizer", "false" if received else "true")
    zone = element.find(t("StartTimeZone"))
    if zone is not None:
        put(element, "TimeZone", zone.get("Name") or zone.get("Id") or "")
        put(element, "StartTimeZoneId", zone.get("Id") or "")
    ending = element.find(t("EndTimeZone"))
    if ending is not None:
        put(element, "EndTimeZoneId", ending.get("Id") or "")
    put(element, "StartWallClock", wall_clock(start_of(element), zone_of(element)))
    put(element, "EndWallClock", wall_clock(end_of(element), zone_of(element)))
    put(element, "ReminderDueBy", text_of(element, "Start"))


def arrange_times(element: Element) -> None:
    """Settle zones, whole days and the first occurrence of a series.

    Raises ErrorCalendarEndDateIsEarlierThanStartDate, ErrorCalendarDurationIsTooLong,
    ErrorCalendarInvalidRecurrence and ErrorRecurrenceHasNoOccurrence.
    """
    _settle_zones(element)
    start, end = start_of(element), end_of(element)
    if end < start:
        raise EwsError("ErrorCalendarEndDateIsEarlierThanStartDate", "EndDate is earlier than StartDate")
    if end - start > _LONGEST:
        raise EwsError("ErrorCalendarDurationIsTooLong", "The duration of the calendar item is too long.")
    if is_true(element, "IsAllDayEvent"):
        start, end = _whole_days(start, end, zone_of(element))
    recurrence = element.find(t("Recurrence"))
    if recurrence is None:
        put(element, "CalendarItemType", "Single")
    else:
        start, end = _first_occurrence(element, recurrence, start, end)
        put(element, "CalendarItemType", "RecurringMaster")
    # The occurrences say that they recur; their master does not.
    put(element, "IsRecurring", "false")
    replace(element, "Start", start)
    replace(element, "End", end)


def _first_occurrence(
    element: Element, recurrence: Element, start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    series = read_series(recurrence)
    if series is None:
        raise EwsError("ErrorCalendarInvalidRecurrence", "The recurrence is invalid.")
    if series.until is not None and series.until < series.start:
        raise EwsError("ErrorRecurrenceEndDateTooBig", "The end date is before the start date.")
    zone = zone_of(element)
    local = start.astimezone(zone).replace(tzinfo=None)
    first = slot(series, local.time(), 1)
    if first is None:
        raise EwsError("ErrorRecurrenceHasNoOccurrence", "The recurrence has no occurrence.")
    begins = as_utc(first.start, zone)
    settled = Series(series.pattern, first.start.date(), series.until, series.count)
    element.replace(recurrence, write_series(settled, _offset(begins, zone)))
    return begins, begins + (end - start)


def _offset(moment: datetime, zone: tzinfo) -> str:
    """The offset of a zone as it ends an xs:date."""
    shown = moment.astimezone(zone).isoformat()[19:25]
    return "Z" if shown == "+00:00" else shown


def _settle_zones(element: Element) -> None:
    """Known zones are kept by name, others with their rules; End without zone is in the zone of Start."""
    start = element.find(t("StartTimeZone"))
    if start is None:
        legacy = element.find(t("MeetingTimeZone"))
        if legacy is None:
            start = timezones.definition("UTC", "StartTimeZone", full=False)
        else:
            known = timezones.windows_id(legacy.get("TimeZoneName") or "")
            start = (
                timezones.definition(known, "StartTimeZone", full=False)
                if known
                else timezones.definition_of(legacy, "StartTimeZone")
            )
        element.append(start)
    ending = element.find(t("EndTimeZone"))
    if ending is None:
        ending = timezones.renamed(start, "EndTimeZone")
        element.append(ending)
    for held, name in ((start, "StartTimeZone"), (ending, "EndTimeZone")):
        known = timezones.windows_id(held.get("Id") or "")
        if known is not None:
            element.replace(held, timezones.definition(known, name, full=False))


def _whole_days(start: datetime, end: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    first = datetime.combine(start.astimezone(zone).date(), time())
    local_end = end.astimezone(zone).replace(tzinfo=None)
    last = datetime.combine(local_end.date(), time())
    if last < local_end or last <= first:
        last += timedelta(days=1)
    return as_utc(first, zone), as_utc(last, zone)


def _own_response(element: Element, owner: Mailbox) -> str:
    """What the owner of the calendar has answered, of a meeting that comes from elsewhere."""
    organizer = text_of(element.find(f"{t('Organizer')}/{t('Mailbox')}"), "EmailAddress").lower()
    if not organizer or organizer == owner.address.lower():
        return "Organizer"
    for name in ATTENDEES:
        for attendee in element.iterfind(f"{t(name)}/{t('Attendee')}"):
            if text_of(attendee.find(t("Mailbox")), "EmailAddress").lower() == owner.address.lower():
                answer = text_of(attendee, "ResponseType", "Unknown")
                return "NoResponseReceived" if answer == "Unknown" else answer
    return "NoResponseReceived"


def new_uid() -> str:
    """The UID of a new meeting, in the form in which Exchange makes them."""
    return _UID_HEAD + secrets.token_hex(8).upper() + "0" * 16 + "10000000" + secrets.token_hex(16).upper()


def zone_of(element: Element) -> tzinfo:
    """The zone in which a meeting keeps its time of day."""
    definition = element.find(t("StartTimeZone"))
    return (timezones.zone_of(definition) if definition is not None else None) or UTC


def series_of(element: Element) -> Series | None:
    """The series of a master; None for any other item."""
    recurrence = element.find(t("Recurrence"))
    return read_series(recurrence) if recurrence is not None else None


def start_of(element: Element) -> datetime:
    """When the item starts, in UTC; an item whose start cannot be read starts with the epoch."""
    return moment_of(element, "Start") or datetime(1970, 1, 1, tzinfo=UTC)


def end_of(element: Element) -> datetime:
    """When the item ends, in UTC."""
    return moment_of(element, "End") or start_of(element)


def as_utc(local: datetime, zone: tzinfo) -> datetime:
    """A local time of a zone as a moment in UTC."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def wall_clock(moment: datetime, zone: tzinfo) -> str:
    """A moment as clocks in the zone show it, with their offset, as StartWallClock says it."""
    return moment.astimezone(zone).replace(microsecond=0).isoformat()


def is_true(element: Element, name: str) -> bool:
    """A boolean property; missing is false."""
    return text_of(element, name) in ("true", "1")


def forget_series(element: Element) -> None:
    """Take away what only a master has."""
    drop(element, "Recurrence", "FirstOccurrence", "LastOccurrence", "ModifiedOccurrences", "DeletedOccurrences")
