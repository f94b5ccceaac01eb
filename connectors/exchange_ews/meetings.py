"""Calendar elements of EWS -> MeetingRecord: single items, the masters of series, and exceptions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from connectors.exchange_ews.elements import Item, moment, participant, response
from connectors.exchange_ews.recurrence import rrule
from connectors.exchange_ews.services import Shape, field
from connectors.exchange_ews.zones import Zone, zone_of
from terracrm.domain.addresses import normalise
from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role
from terracrm.domain.zones import day_of, zone_or_utc

TYPES = frozenset({"CalendarItem"})
ONE_DAY = timedelta(days=1)

SHAPE = Shape(
    paths=(
        field("item:Subject"),
        field("item:Sensitivity"),
        field("item:Body"),
        field("item:Categories"),
        field("calendar:UID"),
        field("calendar:RecurrenceId"),
        field("calendar:DateTimeStamp"),
        field("calendar:Start"),
        field("calendar:End"),
        field("calendar:OriginalStart"),
        field("calendar:IsAllDayEvent"),
        field("calendar:Location"),
        field("calendar:IsMeeting"),
        field("calendar:IsCancelled"),
        field("calendar:CalendarItemType"),
        field("calendar:MyResponseType"),
        field("calendar:Organizer"),
        field("calendar:RequiredAttendees"),
        field("calendar:OptionalAttendees"),
        field("calendar:Resources"),
        field("calendar:AppointmentSequenceNumber"),
        field("calendar:Recurrence"),
        field("calendar:ModifiedOccurrences"),
        field("calendar:DeletedOccurrences"),
        field("calendar:StartTimeZone"),
        field("calendar:IsOrganizer"),
    ),
    body_type="Text",
)

_KINDS = {
    "RecurringMaster": MeetingKind.MASTER,
    "Occurrence": MeetingKind.OCCURRENCE,
    "Exception": MeetingKind.EXCEPTION,
}
_ATTENDEES = (("RequiredAttendees", Role.REQUIRED), ("OptionalAttendees", Role.OPTIONAL), ("Resources", Role.RESOURCE))


def meeting(item: Item) -> MeetingRecord:
    """The record of a calendar element that was fetched with SHAPE.

    Of the exceptions of a series it has what the master says of them: `exception_ids` names their own items.
    """
    start, end = item.moment("Start"), item.moment("End")
    kind = _KINDS.get(item.text("CalendarItemType"), MeetingKind.SINGLE)
    zone = zone_of(item, _newest(start) if kind is MeetingKind.MASTER else start)
    local = zone_or_utc(zone.name, zone.rule)
    is_all_day = item.flag("IsAllDayEvent")
    my_response = response(item.text("MyResponseType"))
    recurrence = next(item.nested("Recurrence"), None)
    record = MeetingRecord(
        uid=item.text("UID"),
        kind=kind,
        original_start=_original_start(item, kind),
        subject=item.text("Subject"),
        start=start,
        end=end,
        is_all_day=is_all_day,
        zone=zone.name,
        zone_rule=zone.rule,
        location=item.text("Location"),
        participants=_participants(item),
        my_response=my_response,
        is_organizer=my_response is Response.ORGANIZER or item.flag("IsOrganizer"),
        is_cancelled=item.flag("IsCancelled"),
        is_meeting=item.flag("IsMeeting"),
        sequence=item.number("AppointmentSequenceNumber"),
        changed_at=item.moment("DateTimeStamp"),
        recurrence="" if recurrence is None else rrule(recurrence, start, local, is_all_day),
        deleted_occurrences=tuple(when for each in item.items("DeletedOccurrences") if (when := each.moment("Start"))),
        body_text=item.body("Body")[0].strip(),
        categories=item.strings("Categories"),
        is_private=item.is_private,
    )
    record = _with_days(record, zone)
    return replace(record, exceptions=tuple(_exception(record, each) for each in item.items("ModifiedOccurrences")))


def exception_ids(item: Item) -> list[str]:
    """The ids of the items of a series' exceptions, in the order of the record's exceptions."""
    return [each.id("ItemId") for each in item.items("ModifiedOccurrences")]


def seen_by(address: str, record: MeetingRecord) -> MeetingRecord:
    """The record as it is in the mailbox of this address: who invites is the organizer, whatever the item says."""
    hosts = {normalise(one.address) for one in record.participants if one.role is Role.ORGANIZER}
    return replace(
        record,
        is_organizer=record.is_organizer or normalise(address) in hosts,
        exceptions=tuple(seen_by(address, one) for one in record.exceptions),
    )


def _exception(master: MeetingRecord, told: Item) -> MeetingRecord:
    """An exception as its master tells of it: when it is, and that all else is as in the series."""
    record = replace(
        master,
        kind=MeetingKind.EXCEPTION,
        original_start=told.moment("OriginalStart") or told.moment("Start"),
        start=told.moment("Start"),
        end=told.moment("End"),
        recurrence="",
        deleted_occurrences=(),
    )
    return _with_days(record, Zone(master.zone, master.zone_rule))


def _original_start(item: Item, kind: MeetingKind) -> datetime | None:
    """Where the series put the occurrence that this item is; an invitation to one occurrence has it, too."""
    is_occurrence = kind in (MeetingKind.OCCURRENCE, MeetingKind.EXCEPTION)
    original = item.moment("OriginalStart") if is_occurrence else None
    return original or (item.moment("RecurrenceId") if kind is not MeetingKind.MASTER else None)


def _participants(item: Item) -> tuple[Participant, ...]:
    found = [participant(Role.ORGANIZER, mailbox, answer="Organizer") for mailbox in item.elements("Organizer")]
    for name, role in _ATTENDEES:
        for attendee in item.items(name):
            mailbox = attendee.child("Mailbox")
            one = None if mailbox is None else participant(role, mailbox, answer=attendee.text("ResponseType"))
            when = moment(attendee.text("LastResponseTime"))
            found.append(replace(one, responded_at=when) if one and when and when.year > 1 else one)
    return tuple(each for each in found if each is not None)


def _newest(start: datetime | None) -> datetime:
    """A series goes by the rules that its zone has now."""
    now = datetime.now(UTC)
    return max(start, now) if start else now


def _with_days(record: MeetingRecord, zone: Zone) -> MeetingRecord:
    """An event of whole days with its dates: those of its own zone, wherever it is read (S10)."""
    if not record.is_all_day or record.start is None:
        return record
    local = zone_or_utc(zone.name, zone.rule)
    first: date = day_of(record.start, local)
    last = day_of(record.end, local) if record.end else first
    return replace(record, start_date=first, end_date=max(last, first + ONE_DAY))
