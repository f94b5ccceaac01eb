"""The organizer's side of a meeting: who is told what when it is made, changed or cancelled."""

from __future__ import annotations

from connectors.simulator import delivery
from connectors.simulator.meeting_messages import attendees, cancellation, request
from connectors.simulator.registry import Call
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, put, t, text_of

# What a change of makes an update that asks for a new answer.
_ANSWERED = ("Start", "End", "Recurrence", "Location")


def sends(send: str) -> bool:
    """Whether SendMeetingInvitations, ...OrCancellations or SendMeetingCancellations sends anything."""
    return send not in ("", "SendToNone")


def is_organizer(event: Element) -> bool:
    """Whether the owner of the calendar invites to this meeting."""
    return text_of(event, "MyResponseType", "Organizer") in ("Organizer", "Unknown")


def invite(call: Call, row: ItemRow, send: str) -> None:
    """Send the requests for a new meeting, and remember on it that they were sent."""
    event = call.store.items.element(row)
    if not sends(send) or not is_organizer(event) or not attendees(event):
        return
    put(event, "MeetingRequestWasSent", "true")
    call.store.items.rewrite(row, event, by=call.user)
    _send(call, row, request(event, "NewMeetingRequest", attendees(event)), send)


def mark_update(before: Element, now: Element, send: str) -> None:
    """Before a changed meeting is stored: its next sequence number, and no answers to what has changed."""
    if not sends(send) or not is_organizer(now) or not attendees(now):
        return
    if text_of(before, "MeetingRequestWasSent") == "true":
        put(now, "AppointmentSequenceNumber", str(int(text_of(now, "AppointmentSequenceNumber", "0")) + 1))
        if _asks_again(before, now):
            for attendee in attendees(now).values():
                put(attendee, "ResponseType", "Unknown")
    put(now, "MeetingRequestWasSent", "true")


def notify_changed(call: Call, row: ItemRow, before: Element, now: Element, send: str) -> None:
    """Send an update to the attendees, and a cancellation to those who are no longer invited.

    "...Changed" as part of `send` means: only to those who were added or taken away.
    """
    if not sends(send) or not is_organizer(now):
        return
    invited, known = attendees(now), attendees(before)
    was_sent = text_of(before, "MeetingRequestWasSent") == "true"
    gone = [address for address in known if address not in invited]
    if gone and was_sent:
        _send(call, row, cancellation(before, gone), send)
    added = [address for address in invited if address not in known or not was_sent]
    if added:
        _send(call, row, request(now, "NewMeetingRequest", added), send)
    told = [address for address in invited if address not in added]
    if told and "Changed" not in send:
        kind = "FullUpdate" if _asks_again(before, now) else "InformationalUpdate"
        _send(call, row, request(now, kind, told), send)


def notify_cancelled(call: Call, row: ItemRow, event: Element, send: str, body: Element | None = None) -> None:
    """Send a cancellation of a meeting, or of one occurrence, to everyone who was invited to it."""
    if sends(send) and is_organizer(event) and attendees(event):
        _send(call, row, cancellation(event, attendees(event), body), send)


def _asks_again(before: Element, now: Element) -> bool:
    return any(_texts(before, name) != _texts(now, name) for name in _ANSWERED)


def _texts(element: Element, name: str) -> list[str]:
    found = element.find(t(name))
    return [] if found is None else [(part.text or "").strip() for part in found.iter()]


def _send(call: Call, row: ItemRow, message: Element, send: str) -> None:
    saved = call.store.folders.distinguished(row.mailbox, "sentitems") if "SaveCopy" in send else None
    files = call.store.attachments.as_content(row)
    delivery.send(call.store, row.mailbox, message, files, saved_to=saved)
