"""One VEVENT as an EWS CalendarItem, one VTODO as a Task."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from icalendar import Component
from lxml import etree

from connectors.simulator.content import Attachment, Item
from connectors.simulator.elements import add, add_mailbox, add_text, clean, new
from connectors.simulator.icalendar_rules import read_rule
from connectors.simulator.icalendar_zones import UTC_ZONE, NamedZone
from connectors.simulator.recurrence import Series, slot, write_series

ResolveZone = Callable[[str | None], NamedZone]

_SENSITIVITIES = {"PRIVATE": "Private", "CONFIDENTIAL": "Confidential", "PERSONAL": "Personal"}
_BUSY = {
    "FREE": "Free",
    "TENTATIVE": "Tentative",
    "BUSY": "Busy",
    "OOF": "OOF",
    "WORKINGELSEWHERE": "WorkingElsewhere",
}
_RESPONSES = {"ACCEPTED": "Accept", "TENTATIVE": "Tentative", "DECLINED": "Decline"}
_TASK_STATES = {"COMPLETED": "Completed", "IN-PROCESS": "InProgress", "CANCELLED": "Deferred"}
# [MS-OXOCAL] 2.2.1.10: a meeting, received, cancelled.
_MEETING, _CANCELLED = 1, 4
_MAX_REMINDER = 2_629_800


@dataclass(frozen=True)
class When:
    """Start and end of an event in the local time of its zone."""

    start: datetime
    end: datetime
    all_day: bool
    zone: NamedZone

    def utc(self, local: datetime) -> datetime:
        """A local time of this zone as a moment in UTC."""
        return local.replace(tzinfo=self.zone.tz).astimezone(UTC)


def read_when(event: Component, resolve: ResolveZone) -> When | None:
    """When an event takes place; None when it does not say."""
    first = event.get("DTSTART")
    found = local_time(first, resolve)
    if found is None:
        return None
    start, zone = found
    is_date = not isinstance(getattr(_one(first), "dt", None), datetime)
    all_day = is_date or text(event, "X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"
    ending = local_time(event.get("DTEND"), resolve)
    length = getattr(_one(event.get("DURATION")), "dt", None)
    try:
        if ending is not None:
            end = ending[0].replace(tzinfo=ending[1].tz).astimezone(zone.tz).replace(tzinfo=None)
        elif isinstance(length, timedelta):
            end = start + length
        else:
            end = start + timedelta(days=1) if is_date else start
        if all_day and end <= start:
            end = start + timedelta(days=1)
        when = When(start, max(start, end), all_day, zone)
        when.utc(when.start), when.utc(when.end)
    except OverflowError:
        return None
    return when


def local_time(value: Any, resolve: ResolveZone) -> tuple[datetime, NamedZone] | None:
    """A date or time property as local time with its zone; a date is its midnight."""
    prop = _one(value)
    found = getattr(prop, "dt", None)
    if not isinstance(found, date):
        return None
    if not isinstance(found, datetime):
        return datetime.combine(found, time()), resolve(None)
    tzid = prop.params.get("TZID")
    if tzid is None and found.tzinfo is not None:
        try:
            return found.astimezone(UTC).replace(tzinfo=None), UTC_ZONE
        except OverflowError:
            return None
    return found.replace(tzinfo=None), resolve(str(tzid) if tzid else None)


def read_event(event: Component, resolve: ResolveZone) -> tuple[Item, When, Series | None] | None:
    """A VEVENT as a CalendarItem with its Recurrence, without exceptions; None when it has no start."""
    when = read_when(event, resolve)
    if when is None:
        return None
    rule = _one(event.get("RRULE"))
    series = read_rule(rule, when.start, when.zone.tz) if isinstance(rule, dict) else None
    first = slot(series, when.start.time(), 1) if series is not None else None
    if series is None or first is None:
        series = None  # a rule that never comes true makes a single meeting
    else:
        begin = first.start
        try:
            when = When(begin, begin + (when.end - when.start), when.all_day, when.zone)
            when.utc(when.start), when.utc(when.end)
        except OverflowError:
            return None
        series = Series(series.pattern, begin.date(), series.until, series.count)
    element = new("CalendarItem")
    add(element, "ItemClass", "IPM.Appointment")
    _add_common(element, event)
    _add_when(element, event, when)
    _add_people(element, event)
    if series is not None:
        element.append(write_series(series))
    return Item(element, _attachments(event)), when, series


def read_todo(todo: Component, resolve: ResolveZone) -> Item:
    """A VTODO as a Task."""
    element = new("Task")
    add(element, "ItemClass", "IPM.Task")
    _add_common(element, todo)
    start, due = local_time(todo.get("DTSTART"), resolve), local_time(todo.get("DUE"), resolve)
    done = local_time(todo.get("COMPLETED"), resolve)
    status = _TASK_STATES.get(text(todo, "STATUS").upper(), "Completed" if done else "NotStarted")
    for name, found in (("StartDate", start), ("DueDate", due)):
        if found is not None:
            # A task knows days, not hours: Exchange keeps the day at midnight UTC.
            add(element, name, f"{found[0].date().isoformat()}T00:00:00Z")
    if status == "Completed" and done is not None:
        add(element, "CompleteDate", f"{done[0].date().isoformat()}T00:00:00Z")
    add(element, "Status", status)
    percent = re.fullmatch(r"\d{1,3}", text(todo, "PERCENT-COMPLETE"))
    shown = 100 if status == "Completed" else min(100, int(percent[0])) if percent else 0
    add(element, "PercentComplete", shown)
    rule = _one(todo.get("RRULE"))
    if isinstance(rule, dict) and (anchor := start or due):
        series = read_rule(rule, anchor[0], anchor[1].tz)
        if series is not None:
            element.append(write_series(series))
    return Item(element, _attachments(todo))


def text(component: Component, name: str) -> str:
    """The text of a property; "" when it is missing or broken."""
    value = _one(component.get(name))
    return "" if value is None else clean(str(value)).strip()


def attendee_response(component: Component) -> tuple[str, str]:
    """Address and answer of the first attendee: of a REPLY, the one who answers."""
    for value in _list(component.get("ATTENDEE")):
        return _address(value), _RESPONSES.get(str(value.params.get("PARTSTAT", "")).upper(), "Unknown")
    return "", "Unknown"


def _add_common(element: etree._Element, event: Component) -> None:
    add_text(element, "Subject", re.sub(r"\s+", " ", text(event, "SUMMARY")))
    add(element, "Sensitivity", _SENSITIVITIES.get(text(event, "CLASS").upper(), "Normal"))
    html = text(event, "X-ALT-DESC")
    if "<" in html:
        add(element, "Body", html, BodyType="HTML")
    else:
        plain = text(event, "DESCRIPTION").replace("\r\n", "\n").replace("\n", "\r\n")
        add(element, "Body", plain, BodyType="Text")
    names = [name for value in _list(event.get("CATEGORIES")) for name in getattr(value, "cats", [])]
    words = list(dict.fromkeys(filter(None, (clean(str(name)).strip() for name in names))))
    if words:
        holder = add(element, "Categories")
        for word in words:
            add(holder, "String", word)
    priority = text(event, "PRIORITY")
    add(element, "Importance", {"1": "High", "2": "High", "9": "Low"}.get(priority, "Normal"))
    reminder = _reminder(event)
    add(element, "ReminderIsSet", reminder is not None)
    if reminder is not None:
        add(element, "ReminderMinutesBeforeStart", reminder)


def _add_when(element: etree._Element, event: Component, when: When) -> None:
    add_text(element, "UID", text(event, "UID"))
    stamp = getattr(_one(event.get("DTSTAMP")), "dt", None)
    if isinstance(stamp, datetime):
        add(element, "DateTimeStamp", stamp)
    add(element, "Start", when.utc(when.start))
    add(element, "End", when.utc(when.end))
    add(element, "IsAllDayEvent", when.all_day)
    add_text(element, "Location", text(event, "LOCATION"))
    free = text(event, "TRANSP").upper() == "TRANSPARENT"
    usual = "Free" if free else "Tentative" if text(event, "STATUS").upper() == "TENTATIVE" else "Busy"
    busy = text(event, "X-MICROSOFT-CDO-BUSYSTATUS") or text(event, "X-MICROSOFT-CDO-INTENDEDSTATUS")
    add(element, "LegacyFreeBusyStatus", _BUSY.get(busy.upper(), usual))
    element.append(when.zone.element("StartTimeZone"))
    element.append(when.zone.element("EndTimeZone"))


def _add_people(element: etree._Element, event: Component) -> None:
    organizer = _one(event.get("ORGANIZER"))
    address = _address(organizer)
    if address:
        add_mailbox(element, _name(organizer), address, wrapper="Organizer")
    groups: dict[str, list[Any]] = {"RequiredAttendees": [], "OptionalAttendees": [], "Resources": []}
    for value in _list(event.get("ATTENDEE")):
        if hasattr(value, "params") and _address(value) and _address(value).lower() != address.lower():
            groups[_role(value)].append(value)
    for name, values in groups.items():
        holder = add(element, name) if values else element
        for value in values:
            attendee = add(holder, "Attendee")
            add_mailbox(attendee, _name(value), _address(value))
            add(
                attendee,
                "ResponseType",
                _RESPONSES.get(str(value.params.get("PARTSTAT", "")).upper(), "Unknown"),
            )
    cancelled = text(event, "STATUS").upper() == "CANCELLED"
    meeting = any(groups.values())
    add(element, "IsMeeting", meeting)
    add(element, "MeetingRequestWasSent", meeting)
    add(element, "IsCancelled", cancelled)
    add(element, "AppointmentState", (_MEETING if meeting else 0) | (_CANCELLED if cancelled else 0))
    sequence = re.fullmatch(r"\d{1,6}", text(event, "SEQUENCE"))
    add(element, "AppointmentSequenceNumber", int(sequence[0]) if sequence else 0)


def _role(value: Any) -> str:
    if str(value.params.get("CUTYPE", "")).upper() in ("RESOURCE", "ROOM"):
        return "Resources"
    optional = str(value.params.get("ROLE", "")).upper() in ("OPT-PARTICIPANT", "NON-PARTICIPANT")
    return "OptionalAttendees" if optional else "RequiredAttendees"


def _reminder(event: Component) -> int | None:
    """Minutes before the start of the first alarm; None without alarm."""
    for alarm in event.subcomponents:
        trigger = _one(alarm.get("TRIGGER")) if alarm.name == "VALARM" else None
        before = getattr(trigger, "dt", None)
        if isinstance(before, timedelta):
            return max(0, min(_MAX_REMINDER, int(-before.total_seconds() // 60)))
        start = getattr(_one(event.get("DTSTART")), "dt", None)
        if isinstance(before, datetime) and isinstance(start, datetime) and before.tzinfo and start.tzinfo:
            return max(0, min(_MAX_REMINDER, int((start - before).total_seconds() // 60)))
    return None


def _attachments(event: Component) -> list[Attachment]:
    found: list[Attachment] = []
    for value in _list(event.get("ATTACH")):
        params = getattr(value, "params", {})
        if str(params.get("ENCODING", "")).upper() != "BASE64":
            continue
        try:
            data = base64.b64decode(str(getattr(value, "obj", value)))
        except (binascii.Error, ValueError):
            continue
        name = str(params.get("X-FILENAME") or params.get("FILENAME") or f"ATT{len(found) + 1:05}.bin")
        kind = str(params.get("FMTTYPE") or "application/octet-stream")
        found.append(Attachment(clean(name), clean(kind), data))
    return found


def _address(value: Any) -> str:
    return re.sub(r"^mailto:", "", clean(str(value or "")).strip(), flags=re.I)


def _name(value: Any) -> str:
    return clean(str(getattr(value, "params", {}).get("CN", ""))).strip().strip('"')


def _one(value: Any) -> Any:
    """A property that may be given once; a file that repeats it means the first."""
    return value[0] if type(value) is list and value else None if type(value) is list else value


def _list(value: Any) -> Iterator[Any]:
    if value is not None:
        yield from value if type(value) is list else [value]
