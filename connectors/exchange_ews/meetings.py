"""Calendar elements of EWS -> MeetingRecord: single items, the masters of series, and exceptions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from exchangelib.winzone import MS_TIMEZONE_TO_IANA_MAP

from connectors.exchange_ews.elements import Item, participant, response
from connectors.exchange_ews.recurrence import rrule
from connectors.exchange_ews.services import Shape, field
from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role

TYPES = frozenset({"CalendarItem"})

SHAPE = Shape(
    paths=(
        field("item:Subject"),
        field("item:Sensitivity"),
        field("item:Body"),
        field("item:Categories"),
        field("calendar:UID"),
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
        field("calendar:Recurrence"),
        field("calendar:StartTimeZone"),
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
    """The record of a calendar element that was fetched with SHAPE."""
    start, end = item.moment("Start"), item.moment("End")
    zone_name = _zone_name(item)
    zone = _zone(zone_name)
    is_all_day = item.flag("IsAllDayEvent")
    my_response = response(item.text("MyResponseType"))
    recurrence = next(item.nested("Recurrence"), None)
    return MeetingRecord(
        uid=item.text("UID"),
        kind=_KINDS.get(item.text("CalendarItemType"), MeetingKind.SINGLE),
        original_start=item.moment("OriginalStart"),
        subject=item.text("Subject"),
        start=start,
        end=end,
        is_all_day=is_all_day,
        start_date=_date(start, zone) if is_all_day else None,
        end_date=_date(end, zone) if is_all_day else None,
        zone=zone_name,
        location=item.text("Location"),
        participants=_participants(item),
        my_response=my_response,
        is_organizer=my_response is Response.ORGANIZER,
        is_cancelled=item.flag("IsCancelled"),
        is_meeting=item.flag("IsMeeting"),
        recurrence="" if recurrence is None else rrule(recurrence, start, zone or UTC, is_all_day),
        body_text=item.body("Body")[0].strip(),
        categories=item.strings("Categories"),
        is_private=item.is_private,
    )


def _participants(item: Item) -> tuple[Participant, ...]:
    found = [participant(Role.ORGANIZER, mailbox, answer="Organizer") for mailbox in item.elements("Organizer")]
    for name, role in _ATTENDEES:
        for attendee in item.items(name):
            answer = attendee.text("ResponseType")
            mailbox = attendee.child("Mailbox")
            found.append(None if mailbox is None else participant(role, mailbox, answer=answer))
    return tuple(each for each in found if each is not None)


def _zone_name(item: Item) -> str:
    zone = next(item.nested("StartTimeZone"), None)
    return "" if zone is None else zone.attribute("Id") or zone.attribute("Name")


def _zone(name: str) -> tzinfo | None:
    """The zone of a Windows name (or of an IANA one); None where nobody knows it."""
    try:
        return ZoneInfo(MS_TIMEZONE_TO_IANA_MAP.get(name, name)) if name else None
    except (KeyError, ValueError, OSError):  # not found; not a key at all; a name of a folder
        return None


def _date(moment: datetime | None, zone: tzinfo | None) -> date | None:
    """The date of a local midnight; without its zone the nearest one, right up to 12 hours away from UTC."""
    if moment is None:
        return None
    if zone is None:
        return (moment + timedelta(hours=12)).date()
    return moment.astimezone(zone).date()
