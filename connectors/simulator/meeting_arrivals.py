"""What a meeting message does to the calendar of the mailbox in which it arrives."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.simulator.calendar_items import arrange_times, refresh
from connectors.simulator.calendar_series import element_of, occurrence_at
from connectors.simulator.elements import moment_of
from connectors.simulator.errors import EwsError
from connectors.simulator.meeting_messages import attendees, calendar_item, mark_cancelled, organizer
from connectors.simulator.overrides import drop_overrides, set_override
from connectors.simulator.rows import ItemRow, Mailbox
from connectors.simulator.schema import Element, drop, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

# An update replaces these on the attendee's calendar; what he has set himself (reminder, category) stays.
_UPDATED = (
    "Subject",
    "Body",
    "Start",
    "End",
    "Location",
    "IsAllDayEvent",
    "StartTimeZone",
    "EndTimeZone",
    "Recurrence",
    "Organizer",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "AppointmentSequenceNumber",
    "DateTimeStamp",
    "IntendedFreeBusyStatus",
    "Sensitivity",
    "Importance",
)


def meeting_arrived(store: Store, mailbox: Mailbox, row: ItemRow) -> None:
    """Put a request on the calendar, an answer into the list of attendees, and mark what was cancelled."""
    message = store.items.element(row)
    held = calendar_row(store, mailbox, text_of(message, "UID"))
    original = moment_of(message, "RecurrenceId")
    if row.kind == "MeetingRequest":
        _request_arrived(store, mailbox, row, message, held, original)
    elif held is not None and row.kind == "MeetingResponse":
        _response_arrived(store, held, message, original)
    elif held is not None and row.kind == "MeetingCancellation":
        _cancellation_arrived(store, held, message, original)


def calendar_row(store: Store, mailbox: Mailbox, uid: str) -> ItemRow | None:
    """The item of a mailbox's calendar with this UID."""
    calendar = store.folders.distinguished(mailbox, "calendar")
    found = store.items.by_uid(mailbox, uid) if uid else []
    return next((row for row in found if row.kind == "CalendarItem" and row.folder == calendar.number), None)


def place(store: Store, mailbox: Mailbox, row: ItemRow, message: Element) -> ItemRow | None:
    """A new, tentative item on the calendar; None for a request whose times make no meeting."""
    item = calendar_item(message)
    calendar = store.folders.distinguished(mailbox, "calendar")
    try:
        return store.items.create(calendar, item, attachments=store.attachments.as_content(row), draft=False)
    except EwsError:
        return None


def _request_arrived(
    store: Store,
    mailbox: Mailbox,
    row: ItemRow,
    message: Element,
    held: ItemRow | None,
    original: datetime | None,
) -> None:
    host = organizer(message)
    if host is not None and text_of(host, "EmailAddress").lower() == mailbox.address.lower():
        return
    if held is None:
        place(store, mailbox, row, message)
        return
    item = store.items.element(held)
    if _sequence(message) < _sequence(item):
        put(message, "IsOutOfDate", "true")
        put(message, "MeetingRequestType", "Outdated")
        store.items.rewrite(row, message)
        return
    if original is not None and item.find(t("Recurrence")) is not None:
        _change_occurrence(store, held, item, original, message)
        return
    _update(item, message)
    try:
        arrange_times(item)
    except EwsError:
        return
    refresh(item)
    store.items.rewrite(held, item)


def _update(item: Element, message: Element) -> None:
    moved = any(text_of(item, name) != text_of(message, name) for name in ("Start", "End"))
    if moved or (item.find(t("Recurrence")) is None) != (message.find(t("Recurrence")) is None):
        drop_overrides(item)
    for name in _UPDATED:
        drop(item, name)
        for child in message.findall(t(name)):
            item.append(deepcopy(child))
    put(item, "IsCancelled", "false")
    if text_of(message, "MeetingRequestType") != "InformationalUpdate":
        put(item, "MyResponseType", "NoResponseReceived")
        put(item, "LegacyFreeBusyStatus", "Tentative")


def _change_occurrence(store: Store, held: ItemRow, master: Element, original: datetime, message: Element) -> None:
    changed = calendar_item(message)
    put(changed, "CalendarItemType", "Exception")
    refresh(changed)
    set_override(master, original, changed)
    store.items.rewrite(held, master)


def _response_arrived(store: Store, held: ItemRow, message: Element, original: datetime | None) -> None:
    sender = text_of(message.find(f"{t('From')}/{t('Mailbox')}"), "EmailAddress").lower()
    item = store.items.element(held)
    one = occurrence_at(item, original) if original is not None else None
    target = element_of(item, one) if one is not None else item
    attendee = attendees(target).get(sender)
    if attendee is None:
        return
    put(attendee, "ResponseType", text_of(message, "ResponseType", "Unknown"))
    put(attendee, "LastResponseTime", text_of(message, "DateTimeSent") or store.stamp())
    for name in ("ProposedStart", "ProposedEnd"):
        drop(attendee, name)
        if text_of(message, name):
            put(attendee, name, text_of(message, name))
    if one is not None:
        set_override(item, one.original, target)
    store.items.rewrite(held, item)


def _cancellation_arrived(store: Store, held: ItemRow, message: Element, original: datetime | None) -> None:
    item = store.items.element(held)
    one = occurrence_at(item, original) if original is not None else None
    if one is not None:
        changed = element_of(item, one)
        mark_cancelled(changed)
        set_override(item, one.original, changed)
    elif original is None or item.find(t("Recurrence")) is None:
        mark_cancelled(item)
    store.items.rewrite(held, item)


def _sequence(element: Element) -> int:
    text = text_of(element, "AppointmentSequenceNumber", "0")
    return int(text) if text.isdigit() else 0
