"""EWS calendar items as iCalendar: Exchange's MimeContent, and what a meeting request carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from icalendar import Alarm, Calendar, Event, Timezone, vCalAddress, vRecur, vText
from lxml import etree

from connectors.simulator import timezones
from connectors.simulator.elements import find, find_all, moment_of, text_of
from connectors.simulator.icalendar_rules import write_rule
from connectors.simulator.overrides import deletions, overrides
from connectors.simulator.recurrence import last_slot, read_series

_RESPONSES = {"Accept": "ACCEPTED", "Tentative": "TENTATIVE", "Decline": "DECLINED", "Organizer": "ACCEPTED"}
_CLASSES = {"Private": "PRIVATE", "Confidential": "CONFIDENTIAL", "Personal": "X-PERSONAL"}
_ROLES = {
    "RequiredAttendees": ("REQ-PARTICIPANT", "INDIVIDUAL"),
    "OptionalAttendees": ("OPT-PARTICIPANT", "INDIVIDUAL"),
    "Resources": ("NON-PARTICIPANT", "RESOURCE"),
}


def write_calendar(element: etree._Element, method: str = "PUBLISH") -> bytes:
    """A CalendarItem or a meeting message as an iCalendar file in UTF-8, exceptions included.

    `method` is REQUEST, REPLY or CANCEL for what is sent. Times carry the zone of the item.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//TerraCRM//Exchange simulator//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    zone_element = find(element, "StartTimeZone")
    zone = timezones.zone_of(zone_element) if zone_element is not None else None
    zone_name = (zone_element.get("Id") if zone_element is not None else None) or "UTC"
    if zone is not None and zone_name != "UTC":
        year = (moment_of(element, "Start") or datetime.now(UTC)).date()
        calendar.add_component(
            Timezone.from_tzinfo(zone, zone_name, year.replace(month=1, day=1), year.replace(month=12, day=31))
        )
    else:
        zone, zone_name = UTC, "UTC"
    clock = _Clock(zone, zone_name)
    calendar.add_component(_event(element, clock, method))
    for original, override in sorted(overrides(element).items()):
        exception = _event(override, clock, method)
        exception.pop("RRULE", None)
        clock.put(exception, "RECURRENCE-ID", original)
        calendar.add_component(exception)
    written: bytes = calendar.to_ical()
    return written


class _Clock:
    """Writes moments in the zone of the item, under the name that the VTIMEZONE has."""

    def __init__(self, zone: tzinfo, name: str) -> None:
        self.zone, self.name = zone, name

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def put(self, event: Event, name: str, moment: datetime, whole_day: bool = False) -> None:
        local = self.local(moment)
        if whole_day:
            event.add(name, local.date())
        elif self.name == "UTC":
            event.add(name, local.replace(tzinfo=UTC))
        else:
            event.add(name, local, parameters={"TZID": self.name})


def _event(element: etree._Element, clock: _Clock, method: str) -> Event:
    event = Event()
    start = moment_of(element, "Start") or datetime(1970, 1, 1, tzinfo=UTC)
    end = moment_of(element, "End") or start
    whole_day = text_of(element, "IsAllDayEvent") == "true"
    event.add("uid", text_of(element, "UID") or "")
    event.add("dtstamp", moment_of(element, "DateTimeStamp") or datetime.now(UTC))
    event.add("summary", text_of(element, "Subject") or "")
    clock.put(event, "DTSTART", start, whole_day)
    clock.put(event, "DTEND", end, whole_day)
    if location := text_of(element, "Location"):
        event.add("location", location)
    _add_body(event, element)
    _add_recurrence(event, element, clock, start, whole_day)
    _add_people(event, element, method)
    event.add("class", _CLASSES.get(text_of(element, "Sensitivity") or "", "PUBLIC"))
    event.add("priority", {"High": 1, "Low": 9}.get(text_of(element, "Importance") or "", 5))
    busy = (text_of(element, "LegacyFreeBusyStatus") or "Busy").upper()
    event.add("transp", "TRANSPARENT" if busy == "FREE" else "OPAQUE")
    cancelled = method == "CANCEL" or text_of(element, "IsCancelled") == "true"
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("sequence", int(text_of(element, "AppointmentSequenceNumber") or 0))
    event.add("x-microsoft-cdo-busystatus", busy)
    if names := [each.text or "" for each in find_all(element, "Categories", "String")]:
        event.add("categories", names)
    if text_of(element, "ReminderIsSet") == "true":
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", "REMINDER")
        alarm.add("trigger", -timedelta(minutes=int(text_of(element, "ReminderMinutesBeforeStart") or 15)))
        event.add_component(alarm)
    return event


def _add_body(event: Event, element: etree._Element) -> None:
    body = find(element, "Body")
    if body is None or not body.text:
        return
    if body.get("BodyType") == "HTML":
        event.add("x-alt-desc", vText(body.text), parameters={"FMTTYPE": "text/html"})
    else:
        event.add("description", body.text.replace("\r\n", "\n"))


def _add_recurrence(event: Event, element: etree._Element, clock: _Clock, start: datetime, whole_day: bool) -> None:
    recurrence = find(element, "Recurrence")
    series = read_series(recurrence) if recurrence is not None else None
    if series is None:
        return
    last = last_slot(series, clock.local(start).time()) if series.until else None
    until = last.start.replace(tzinfo=clock.zone).astimezone(UTC) if last and not whole_day else None
    event.add("rrule", vRecur(write_rule(series, until)))
    for deleted in sorted(deletions(element)):
        clock.put(event, "EXDATE", deleted, whole_day)


def _add_people(event: Event, element: etree._Element, method: str) -> None:
    mailbox = find(element, "Organizer", "Mailbox")
    if mailbox is not None:
        event.add("organizer", _person(mailbox), encode=False)
    if method == "REPLY":
        sender = find(element, "From", "Mailbox")
        if sender is not None:
            person = _person(sender)
            person.params["PARTSTAT"] = _RESPONSES.get(text_of(element, "ResponseType") or "", "NEEDS-ACTION")
            event.add("attendee", person, encode=False)
        return
    for group, (role, kind) in _ROLES.items():
        for attendee in find_all(element, group, "Attendee"):
            mailbox = find(attendee, "Mailbox")
            if mailbox is None or not text_of(mailbox, "EmailAddress"):
                continue
            person = _person(mailbox)
            response = _RESPONSES.get(text_of(attendee, "ResponseType") or "", "NEEDS-ACTION")
            person.params.update({"ROLE": role, "CUTYPE": kind, "PARTSTAT": response, "RSVP": "TRUE"})
            event.add("attendee", person, encode=False)


def _person(mailbox: etree._Element) -> vCalAddress:
    person = vCalAddress(f"mailto:{text_of(mailbox, 'EmailAddress') or 'unknown'}")
    if name := text_of(mailbox, "Name"):
        person.params["CN"] = name.replace('"', "'")
    return person
