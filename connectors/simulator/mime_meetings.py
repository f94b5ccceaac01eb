"""Mail that carries a text/calendar part as the meeting message that Exchange makes of it."""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from connectors.simulator.content import TYPES, Attachment, Item
from connectors.simulator.elements import add, find, local_name, new, replace, text_of
from connectors.simulator.icalendar_events import attendee_response
from connectors.simulator.icalendar_files import read_calendar, read_components
from connectors.simulator.schema import ITEM_ORDER

_KINDS = {
    "REQUEST": ("MeetingRequest", "IPM.Schedule.Meeting.Request"),
    "REPLY": ("MeetingResponse", "IPM.Schedule.Meeting.Resp"),
    "CANCEL": ("MeetingCancellation", "IPM.Schedule.Meeting.Canceled"),
}
RESPONSE_CLASSES = {"Accept": "Pos", "Tentative": "Tent", "Decline": "Neg"}
# Of the event only what the meeting message has a place for, and never what the mail itself says.
_FROM_EVENT = {
    "UID", "RecurrenceId", "DateTimeStamp", "IntendedFreeBusyStatus", "Start", "End", "OriginalStart",
    "IsAllDayEvent", "LegacyFreeBusyStatus", "Location", "IsMeeting", "IsCancelled", "MeetingRequestWasSent",
    "Organizer", "RequiredAttendees", "OptionalAttendees", "Resources", "AppointmentSequenceNumber",
    "AppointmentState", "Recurrence", "DeletedOccurrences", "StartTimeZone", "EndTimeZone",
}  # fmt: skip


def meeting_item(item: Item, calendar: str) -> Item:
    """`item` as the meeting message that its calendar part makes of it.

    A calendar part that is no invitation, answer or cancellation (an event that was merely sent along), or
    that cannot be read, is kept as an attachment.
    """
    data = calendar.encode("utf-8", "replace")
    events = [each for each in read_calendar(data) if local_name(each.element) == "CalendarItem"]
    kind = _KINDS.get(_method(calendar))
    if kind is None or not events or local_name(item.element) != "Message":
        attachment = Attachment("meeting.ics", "text/calendar", data)
        return Item(item.element, [*item.attachments, attachment], item.mime)
    name, item_class = kind
    event = events[0].element
    element = new(name)
    for child in list(item.element):
        element.append(child)
    if name == "MeetingResponse":
        response = _response(data)
        item_class = f"{item_class}.{RESPONSE_CLASSES.get(response, 'Tent')}"
        add(element, "ResponseType", response)
    replace(element, "ItemClass", item_class)
    add_event(element, event)
    if text_of(element, "Body") is None:
        _take_body(element, event)
    return Item(element, item.attachments + events[0].attachments, item.mime)


def add_event(element: etree._Element, event: etree._Element) -> None:
    """Give a meeting message what it says of `event`, and the state of one that nobody has read."""
    allowed = set(ITEM_ORDER[local_name(element)])
    for child in event:
        if isinstance(child.tag, str) and child.tag.startswith(f"{{{TYPES}}}"):
            child_name = local_name(child)
            if child_name in _FROM_EVENT and child_name in allowed:
                element.append(deepcopy(child))
    for name in ("IsDelegated", "IsOutOfDate", "HasBeenProcessed"):
        add(element, name, False)
    if local_name(element) == "MeetingRequest":
        add(element, "MeetingRequestType", "NewMeetingRequest")
        busy = text_of(event, "LegacyFreeBusyStatus") or "Busy"
        if find(element, "IntendedFreeBusyStatus") is None:
            add(element, "IntendedFreeBusyStatus", busy)


def _method(calendar: str) -> str:
    for line in calendar.splitlines():
        word, _, value = line.partition(":")
        if word.strip().upper() == "METHOD":
            return value.strip().upper()
        if word.strip().upper() == "BEGIN" and value.strip().upper() == "VEVENT":
            break
    return ""


def _response(data: bytes) -> str:
    for component in read_components(data):
        if component.name == "VEVENT":
            return attendee_response(component)[1]
    return "Unknown"


def _take_body(element: etree._Element, event: etree._Element) -> None:
    old, body = find(element, "Body"), find(event, "Body")
    if body is not None and body.text:
        if old is not None:
            element.remove(old)
        element.append(deepcopy(body))
