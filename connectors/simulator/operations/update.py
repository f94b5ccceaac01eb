"""UpdateItem."""

from __future__ import annotations

from connectors.simulator import fields, mapi, mapi_named, properties, render, targets, tasks, values
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.operations.create import check_recipients, send_row
from connectors.simulator.operations.disposal import only_id
from connectors.simulator.properties import MAIL_KINDS
from connectors.simulator.registry import Call, hooks, operation
from connectors.simulator.responses import Part, batch, choice, holding, listed
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, add, elements, local, m, t, text_of, words

_RESOLUTIONS = ("NeverOverwrite", "AutoResolve", "AlwaysOverwrite")
_KINDS = ("SetItemField", "AppendToItemField", "DeleteItemField")
# What a client may not set; and what it may not delete.
_READ_ONLY = words(
    "ItemId ParentFolderId Size HasAttachments Attachments DateTimeCreated DateTimeReceived DateTimeSent"
    " EffectiveRights ResponseObjects UniqueBody NormalizedBody TextBody Preview InstanceKey StoreEntryId"
    " WebClientReadFormQueryString WebClientEditFormQueryString ConversationId LastModifiedTime"
    " LastModifiedName DisplayTo DisplayCc IsSubmitted IsDraft IsFromMe IsResend IsUnmodified IsAssociated"
    " InternetMessageHeaders ConversationIndex ConversationTopic InternetMessageId ReceivedBy"
    " ReceivedRepresenting HasPicture CompleteName ContactSource CalendarItemType IsMeeting IsCancelled"
    " IsRecurring MeetingRequestWasSent MyResponseType Organizer Duration AppointmentReplyTime"
    " AppointmentSequenceNumber AppointmentState FirstOccurrence LastOccurrence ModifiedOccurrences"
    " DeletedOccurrences ConflictingMeetingCount AdjacentMeetingCount IsComplete StatusDescription"
    " AssignedTime ChangeCount DelegationState Delegator IsAssignmentEditable IsTeamTask"
    " ReminderNextTime MimeContentUTF8 TimeZone SearchKey PostedTime"
)
_NEVER_DELETED = _READ_ONLY | {"ItemClass", "Start", "End", "IsRead"}
_AFTER_SEND = words(
    "ToRecipients CcRecipients BccRecipients From Sender ReplyTo References InReplyTo"
    " IsReadReceiptRequested IsDeliveryReceiptRequested IsResponseRequested"
)
_IN_SOURCE = _AFTER_SEND | {"Subject", "Body", "MimeContent", "Importance"}


@operation("UpdateItem")
def update_item(call: Call) -> Element:
    resolution = choice(call, "ConflictResolution", _RESOLUTIONS)
    disposition = call.request.get("MessageDisposition")
    send = call.request.get("SendMeetingInvitationsOrCancellations")

    def serve(entry: Element) -> list[Part]:
        children = elements(entry)
        row = targets.item(call, children[0], "edit")
        if row.kind in MAIL_KINDS and disposition is None:
            raise EwsError("ErrorMessageDispositionRequired")
        if row.kind == "CalendarItem" and send is None:
            raise EwsError(
                "ErrorSendMeetingInvitationsOrCancellationsRequired",
                "SendMeetingInvitationsOrCancellations must be specified when updating a calendar item.",
            )
        _check_version(children[0], row, resolution)
        updates = elements(entry.find(t("Updates")))
        changed = _update(call, row, updates, send or "SendToNone")
        if any(fault.kind == "second_change" for fault in call.striking):
            again = call.store.items.element(changed)
            call.store.items.rewrite(changed, again, by=call.user)
        shown = [only_id(changed)]
        if disposition in ("SendOnly", "SendAndSaveCopy") and changed.kind in MAIL_KINDS:
            shown = _send(call, changed, disposition)
        conflicts = holding("ConflictResults")
        add(conflicts, "Count", "0")
        return [holding("Items", *shown), conflicts]

    return batch(call, listed(call, "ItemChanges"), serve, empty="Items")


def _send(call: Call, row: ItemRow, disposition: str) -> list[Element]:
    check_recipients(call, call.store.items.element(row))
    saved = None
    if disposition == "SendAndSaveCopy":
        holder = call.request.find(m("SavedItemFolderId"))
        saved = (
            call.store.folders.distinguished(call.user, "sentitems")
            if holder is None
            else targets.target(call, holder, "create")
        )
    send_row(call, row, saved)
    return []


def _check_version(named: Element, row: ItemRow, resolution: str) -> None:
    if resolution == "AlwaysOverwrite" or local(named) != "ItemId":
        return
    if resolution == "NeverOverwrite":
        targets.check_change_key(named, row, needed=True)
    elif named.get("ChangeKey"):
        targets.check_change_key_form(named)


def _update(call: Call, row: ItemRow, updates: list[Element], send: str) -> ItemRow:
    if row.occurrence is not None:
        if hooks.update_occurrence is None:
            raise EwsError("ErrorItemNotFound")
        return hooks.update_occurrence(call, row, updates, send)
    items = call.store.items
    before, element = items.element(row), items.element(row)
    draft = text_of(element, "IsDraft") == "true"
    touched = apply(updates, row.kind, element, now=call.store.stamp(), draft=draft, zone=call.time_zone)
    if touched == {"IsRead"}:
        return items.set_read(row, text_of(element, "IsRead") in ("true", "1"))
    mapi.absorb(element)
    done = tasks.move_on(element, call.store.stamp()) if row.kind == "Task" else None
    if done is not None:
        items.create(call.store.folders.get(row.folder), done, by=call.user)
    properties.refresh(call.store, row.mailbox, element, frozenset(touched))
    kept = items.mime(row) if not touched & _IN_SOURCE else None
    changed = items.rewrite(row, element, by=call.user)
    if kept is not None:
        items.keep_mime(changed, kept)
    if row.kind == "CalendarItem" and hooks.calendar_updated is not None:
        hooks.calendar_updated(call, changed, before, element, send)
        changed = render.fresh(call, changed)
    return changed


def apply(
    updates: list[Element], kind: str, element: Element, *, now: str, draft: bool, zone: Element | None = None
) -> set[str]:
    """Make the changes of an Updates element on an item's properties; returns the names they touched."""
    touched = set()
    for update in updates:
        action, children = local(update), elements(update)
        if action not in _KINDS or not children:
            raise SchemaViolation(f"The element 'Updates' has invalid child element '{action}'.")
        path = fields.parse(children[0])
        if not fields.belongs(path, kind):
            raise EwsError(
                "ErrorInvalidPropertySet" if action != "DeleteItemField" else "ErrorInvalidPropertyDelete",
                f"Property {path.uri} does not belong to items of type {kind}.",
            )
        touched.add(path.name)
        if action == "DeleteItemField":
            _delete(element, path)
        else:
            _set(element, path, update, draft=draft, zone=zone)
        if kind == "Task" and path.name in tasks.PROGRESS:
            tasks.follow(element, path.name, now)
    return touched


def _delete(element: Element, path: fields.Path) -> None:
    if path.name in _NEVER_DELETED and path.index is None:
        raise EwsError("ErrorInvalidPropertyDelete")
    if path.name == "Body":
        for held in element.findall(t("Body")):
            held.text = None
        return
    if not (path.key and mapi_named.erase(element, path.key)):
        fields.delete(element, path)


def _set(element: Element, path: fields.Path, update: Element, *, draft: bool, zone: Element | None) -> None:
    children = elements(update)
    if len(children) != 2:
        raise SchemaViolation(f"The element '{local(update)}' has incomplete content.")
    carrier = children[1]
    if path.name in _READ_ONLY or (path.name in _AFTER_SEND and not draft and local(element) in MAIL_KINDS):
        raise EwsError("ErrorInvalidPropertySet")
    values.normalise(carrier, zone)
    carried = elements(carrier)
    if len(carried) != 1 or local(carried[0]) != path.name:
        raise EwsError("ErrorUpdatePropertyMismatch")
    if local(update) == "AppendToItemField":
        fields.append(element, path, carrier)
    else:
        fields.assign(element, path, carrier)
