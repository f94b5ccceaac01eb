"""Invitations and their answers: AcceptItem, TentativelyAcceptItem, DeclineItem, CancelCalendarItem, RemoveItem."""

from __future__ import annotations

from dataclasses import replace

from connectors.simulator import delivery, meetings, render, targets
from connectors.simulator.calendar_items import refresh
from connectors.simulator.calendar_series import occurrence, occurrence_at
from connectors.simulator.elements import moment_of
from connectors.simulator.errors import EwsError
from connectors.simulator.meeting_arrivals import calendar_row, meeting_arrived, place
from connectors.simulator.meeting_messages import organizer, response
from connectors.simulator.overrides import delete_occurrence, set_override
from connectors.simulator.registry import Call, hooks
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, local, m, make, put, t, text_of

_ANSWERS = {"AcceptItem": "Accept", "TentativelyAcceptItem": "Tentative", "DeclineItem": "Decline"}


def respond(call: Call, entry: Element, row: ItemRow, disposition: str) -> list[ItemRow]:
    """Carry out what a client does with a meeting or a meeting message; returns the items that it made."""
    kind = local(entry)
    if kind == "CancelCalendarItem":
        return _cancel(call, entry, row)
    if kind == "RemoveItem":
        return _remove(call, row)
    return _answer(call, entry, row, _ANSWERS[kind], disposition)


def _answer(call: Call, entry: Element, row: ItemRow, answer: str, disposition: str) -> list[ItemRow]:
    held = _calendar_row(call, row)
    event = render.properties_of(call, held)
    if meetings.is_organizer(event):
        raise EwsError(f"ErrorCalendarIsOrganizerFor{answer}", "You are the organizer of this meeting.")
    if text_of(event, "IsCancelled") == "true":
        raise EwsError(f"ErrorCalendarIsCancelledFor{answer}", "The meeting was cancelled.")
    answered = _settle(call, held, event, answer)
    made = [answered]
    saved = _send_answer(call, held, response(event, answer, entry), disposition)
    if saved is not None:
        made.append(saved)
    if row.kind == "MeetingRequest":
        message = call.store.items.element(row)
        put(message, "HasBeenProcessed", "true")
        processed = call.store.items.rewrite(row, message)
        trash = call.store.folders.distinguished(row.mailbox, "deleteditems")
        call.store.items.move(processed, trash)
    return made


def _calendar_row(call: Call, row: ItemRow) -> ItemRow:
    """The calendar item, or its occurrence, that is answered through it or through its request."""
    if row.kind == "CalendarItem":
        return row
    if row.kind != "MeetingRequest":
        raise EwsError("ErrorInvalidOperation", "Only a meeting or a meeting request can be answered.")
    message = call.store.items.element(row)
    if text_of(message, "IsOutOfDate") == "true":
        raise EwsError("ErrorCalendarMeetingRequestIsOutOfDate", "The meeting request is out of date.")
    held = calendar_row(call.store, row.mailbox, text_of(message, "UID"))
    if held is None:
        held = place(call.store, row.mailbox, row, message)
    if held is None:
        raise EwsError("ErrorInvalidOperation", "The meeting request holds no meeting.")
    return _at_occurrence(call, held, message)


def _at_occurrence(call: Call, held: ItemRow, message: Element) -> ItemRow:
    original = moment_of(message, "RecurrenceId")
    if original is None:
        return held
    one = occurrence_at(call.store.items.element(held), original)
    return held if one is None else replace(held, occurrence=one.number)


def _settle(call: Call, row: ItemRow, event: Element, answer: str) -> ItemRow:
    """Write the answer on the calendar; a declined meeting goes to Deleted Items."""
    put(event, "MyResponseType", answer)
    put(event, "AppointmentReplyTime", call.store.stamp())
    intended = text_of(event, "IntendedFreeBusyStatus", "Busy")
    put(event, "LegacyFreeBusyStatus", "Tentative" if answer == "Tentative" and intended != "Free" else intended)
    refresh(event)
    items = call.store.items
    if row.occurrence is None:
        changed = items.rewrite(row, event, by=call.user)
        if answer != "Decline":
            return changed
        return items.move(changed, call.store.folders.distinguished(row.mailbox, "deleteditems"))
    master = items.element(row)
    original = occurrence(master, row.occurrence).original
    if answer == "Decline":
        delete_occurrence(master, original)
        return items.rewrite(replace(row, occurrence=None), master, by=call.user)
    set_override(master, original, event)
    return items.rewrite(row, master, by=call.user)


def _send_answer(call: Call, row: ItemRow, message: Element, disposition: str) -> ItemRow | None:
    folders = call.store.folders
    holder = call.request.find(m("SavedItemFolderId"))
    if disposition == "SaveOnly":
        folder = folders.distinguished(row.mailbox, "drafts") if holder is None else targets.target(call, holder)
        return call.store.items.create(folder, message, draft=True, by=call.user)
    saved = None
    if disposition == "SendAndSaveCopy":
        saved = folders.distinguished(row.mailbox, "sentitems") if holder is None else targets.target(call, holder)
    return delivery.send(call.store, row.mailbox, message, saved_to=saved)


def _cancel(call: Call, entry: Element, row: ItemRow) -> list[ItemRow]:
    if row.kind != "CalendarItem":
        raise EwsError("ErrorInvalidOperation", "Only a meeting can be cancelled.")
    event = render.properties_of(call, row)
    if not meetings.is_organizer(event):
        raise EwsError("ErrorCalendarIsNotOrganizer", "You are not the organizer of this meeting.")
    meetings.notify_cancelled(call, row, event, "SendToAllAndSaveCopy", entry.find(t("NewBodyContent")))
    if row.occurrence is not None:
        _delete_occurrence(call, row)
        return []
    put(event, "IsCancelled", "true")
    refresh(event)
    cancelled = call.store.items.rewrite(row, event, by=call.user)
    trash = call.store.folders.distinguished(row.mailbox, "deleteditems")
    return [call.store.items.move(cancelled, trash)]


def _delete_occurrence(call: Call, row: ItemRow) -> None:
    master = call.store.items.element(row)
    delete_occurrence(master, occurrence(master, row.occurrence or 0).original)
    call.store.items.rewrite(replace(row, occurrence=None), master, by=call.user)


def _remove(call: Call, row: ItemRow) -> list[ItemRow]:
    """RemoveItem: the cancelled meeting leaves the calendar, and its cancellation the Inbox."""
    message = call.store.items.element(row)
    trash = call.store.folders.distinguished(row.mailbox, "deleteditems")
    held = calendar_row(call.store, row.mailbox, text_of(message, "UID"))
    if held is not None and row.kind.startswith("Meeting"):
        held = _at_occurrence(call, held, message)
        if held.occurrence is None:
            call.store.items.move(held, trash)
        else:
            _delete_occurrence(call, held)
    call.store.items.move(row, trash)
    return []


def deleted(call: Call, row: ItemRow, send: str) -> None:
    """Before a meeting is deleted: the organizer cancels it, an attendee declines it, where `send` says so."""
    event = call.store.items.element(row)
    if meetings.is_organizer(event):
        meetings.notify_cancelled(call, row, event, send)
    elif meetings.sends(send) and organizer(event) is not None and text_of(event, "IsCancelled") != "true":
        disposition = "SendAndSaveCopy" if "SaveCopy" in send else "SendOnly"
        _send_answer(call, row, response(event, "Decline", make("DeclineItem")), disposition)


hooks.calendar_created = meetings.invite
hooks.calendar_deleted = deleted
hooks.respond = respond
hooks.meeting_arrived = meeting_arrived
