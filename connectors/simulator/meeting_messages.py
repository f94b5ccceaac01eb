"""Meeting requests, answers and cancellations as messages, made of the calendar item that they are about."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from connectors.simulator.calendar_items import ATTENDEES, CANCELLED, MEETING, RECEIVED
from connectors.simulator.elements import add as add_value
from connectors.simulator.mime_meetings import RESPONSE_CLASSES, add_event
from connectors.simulator.schema import Element, add, make, put, t, text_of

_CARRIED = ("Sensitivity", "Importance", "Body", "ReminderIsSet", "ReminderMinutesBeforeStart", "Culture")
_RECIPIENTS = dict(zip(ATTENDEES, ("ToRecipients", "CcRecipients", "BccRecipients"), strict=True))
_ANSWERS = {"Accept": "Accepted", "Tentative": "Tentative", "Decline": "Declined"}


def attendees(event: Element) -> dict[str, Element]:
    """Every attendee by lower-case address."""
    return {
        address.lower(): attendee
        for name in ATTENDEES
        for attendee in event.iterfind(f"{t(name)}/{t('Attendee')}")
        if (address := text_of(attendee.find(t("Mailbox")), "EmailAddress"))
    }


def organizer(event: Element) -> Element | None:
    """The Mailbox of the organizer."""
    return event.find(f"{t('Organizer')}/{t('Mailbox')}")


def request(event: Element, kind: str, to: Iterable[str]) -> Element:
    """A MeetingRequest for these attendees; `kind` is its MeetingRequestType."""
    made = _about("MeetingRequest", event, text_of(event, "Subject"), to)
    add_event(made, event)
    put(made, "ItemClass", "IPM.Schedule.Meeting.Request")
    put(made, "MeetingRequestType", kind)
    put(made, "MyResponseType", "NoResponseReceived")
    put(made, "MeetingRequestWasSent", "true")
    put(made, "IsMeeting", "true")
    put(made, "AppointmentState", str(MEETING | RECEIVED))
    put(made, "IsResponseRequested", text_of(event, "IsResponseRequested", "true"))
    for name in ("CalendarItemType", "IsRecurring", "Duration", "TimeZone", "AllowNewTimeProposal", "ConferenceType"):
        if text_of(event, name):
            put(made, name, text_of(event, name))
    return made


def cancellation(event: Element, to: Iterable[str], body: Element | None = None) -> Element:
    """A MeetingCancellation for these attendees, with the organizer's words where there are some."""
    made = _about("MeetingCancellation", event, f"Canceled: {text_of(event, 'Subject')}", to, body)
    add_event(made, event)
    put(made, "ItemClass", "IPM.Schedule.Meeting.Canceled")
    put(made, "CalendarItemType", text_of(event, "CalendarItemType", "Single"))
    return made


def response(event: Element, answer: str, written: Element) -> Element:
    """A MeetingResponse to the organizer; `written` is the client's AcceptItem, DeclineItem, ..."""
    subject = f"{_ANSWERS[answer]}: {text_of(event, 'Subject')}"
    made = _about("MeetingResponse", event, subject, (), written.find(t("Body")))
    host = organizer(event)
    if host is not None:
        add(made, "ToRecipients").append(deepcopy(host))
    add_event(made, event)
    put(made, "ItemClass", f"IPM.Schedule.Meeting.Resp.{RESPONSE_CLASSES[answer]}")
    put(made, "ResponseType", answer)
    put(made, "CalendarItemType", text_of(event, "CalendarItemType", "Single"))
    for name in ("ProposedStart", "ProposedEnd"):
        if text_of(written, name):
            put(made, name, text_of(written, name))
    return made


def calendar_item(message: Element) -> Element:
    """The calendar item that a MeetingRequest puts, tentatively, on an attendee's calendar."""
    made = make("CalendarItem")
    put(made, "ItemClass", "IPM.Appointment")
    put(made, "Subject", text_of(message, "Subject"))
    for name in _CARRIED:
        for child in message.findall(t(name)):
            made.append(deepcopy(child))
    add_event(made, message)
    intended = text_of(message, "IntendedFreeBusyStatus") or text_of(message, "LegacyFreeBusyStatus", "Busy")
    put(made, "IntendedFreeBusyStatus", intended)
    put(made, "LegacyFreeBusyStatus", "Free" if intended == "Free" else "Tentative")
    put(made, "MyResponseType", "NoResponseReceived")
    put(made, "MeetingRequestWasSent", "true")
    put(made, "IsCancelled", "false")
    for name in ("IsResponseRequested", "AllowNewTimeProposal", "ConferenceType"):
        if text_of(message, name):
            put(made, name, text_of(message, name))
    return made


def mark_cancelled(event: Element) -> None:
    """Make an attendee's calendar item one of a meeting that does not take place."""
    subject = text_of(event, "Subject")
    put(event, "Subject", subject if subject.startswith("Canceled: ") else f"Canceled: {subject}")
    put(event, "IsCancelled", "true")
    put(event, "LegacyFreeBusyStatus", "Free")
    state = int(text_of(event, "AppointmentState", "0") or 0)
    put(event, "AppointmentState", str(state | CANCELLED))


def _about(kind: str, event: Element, subject: str, to: Iterable[str], body: Element | None = None) -> Element:
    made = make(kind)
    put(made, "Subject", subject)
    for name in _CARRIED:
        child = event.find(t(name))
        if child is not None and not (name == "Body" and body is not None):
            made.append(deepcopy(child))
    if body is not None:
        add_value(made, "Body", body.text or "", BodyType=body.get("BodyType", "Text"))
    wanted = set(to)
    for group, recipients in _RECIPIENTS.items():
        found = [
            mailbox
            for mailbox in event.iterfind(f"{t(group)}/{t('Attendee')}/{t('Mailbox')}")
            if text_of(mailbox, "EmailAddress").lower() in wanted
        ]
        if found:
            add(made, recipients).extend(deepcopy(mailbox) for mailbox in found)
    return made
